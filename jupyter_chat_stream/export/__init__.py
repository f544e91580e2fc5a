"""Threads as files: Markdown, JSON, notebook, HTML.

``formats`` says which there are, ``source`` reads a thread within one transaction, the formats'
modules turn it into pieces of text. Nothing is held whole: a piece is at most one message.
"""
