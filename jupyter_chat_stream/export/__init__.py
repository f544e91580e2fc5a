"""Exports threads as files: Markdown, JSON, notebook, HTML.

``formats`` lists the formats, ``source`` reads a thread within one transaction, and a module for
each format makes pieces of text. At most one message is in memory.
"""
