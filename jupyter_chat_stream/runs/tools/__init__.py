"""The tools that the process of a run executes itself (where = server)."""
