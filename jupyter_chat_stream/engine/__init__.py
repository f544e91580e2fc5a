"""When and where a run executes."""
