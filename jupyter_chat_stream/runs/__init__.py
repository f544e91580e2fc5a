"""Makes one answer: from the context to the last event."""
