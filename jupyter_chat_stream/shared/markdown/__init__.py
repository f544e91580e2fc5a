"""The Markdown of answers: the dialect of ``docs/markdown.md``, its HTML, and harmless copies.

Kernel and server use ``copies``, which needs only the standard library. Exports use ``dialect``
and ``html``, which import markdown-it-py.
"""
