"""The making of one answer."""
