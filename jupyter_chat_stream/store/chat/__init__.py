"""What a chat's commands and runs change, each in one transaction."""
