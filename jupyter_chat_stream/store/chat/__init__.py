"""The changes that commands and runs make in a chat, each in one transaction."""
