"""The server's tools, which the process of a run executes itself (where = server)."""
