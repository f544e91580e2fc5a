"""Threads as files: Markdown, JSON, notebook, HTML.

``formats`` lists them, ``source`` reads a thread within one transaction, and the formats' modules
turn it into pieces of text. At most one message is held at a time.
"""
