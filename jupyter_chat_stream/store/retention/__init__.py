"""What is deleted in time: old text, old threads, and unused disk space."""
