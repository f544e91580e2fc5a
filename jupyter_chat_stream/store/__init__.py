"""The database of the chat, with all SQL of the package."""
