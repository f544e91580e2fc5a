"""The database itself: opening it, its tables and rows, and news of commits."""
