"""The tool ``files``: a model lists, reads and searches files below the server's root."""
