"""What is taken away in time: old text, old threads, and unused disk space."""
