"""Attachments: what a person sends beside the text of a message, and reads back from it."""
