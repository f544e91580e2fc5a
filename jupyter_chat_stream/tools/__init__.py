"""What a model may call. Nothing runs yet: tool parts pass through as events."""
