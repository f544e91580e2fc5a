"""The Markdown of answers: the dialect of ``docs/markdown.md``, its HTML, and harmless copies.

``copies`` serves kernel and server and needs nothing but the standard library; ``dialect`` and
``html`` serve the exports and bring markdown-it-py.
"""
