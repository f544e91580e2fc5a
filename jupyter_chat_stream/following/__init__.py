"""How one committed log reaches every reader that follows it."""
