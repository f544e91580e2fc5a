"""Following: how one committed log reaches every reader of it."""
