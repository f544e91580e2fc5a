"""The log of events: one writer appends to it, many readers read it."""
