"""The database: opening it, its tables and rows, and notices of commits."""
