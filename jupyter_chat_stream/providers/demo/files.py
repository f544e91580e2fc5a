"""The demo model ``files``: describes each attachment by facts from its bytes.

All functions are pure functions of the prompt. They read the headers of images, and count the pages
of documents and the lines of texts. No real model reads the contents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import unescape

from ...shared.image_sides import sides_of
from ...shared.sizes import size_in_words
from ..base import DocumentBlock, ImageBlock, Prompt, TextBlock, Turn
from .answers import LABEL

MAX_SHOWN_CHARS = 100
_KINDS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WebP"}

_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")

# The form of an attachment's text in a prompt; the name is escaped as in HTML.
_ATTACHMENT = re.compile(r'<attachment name="([^\n]*)">\n(.*?)\n?</attachment>\n*', re.DOTALL)

_NOTHING = """No attachment came with this message. Drop a figure, a PDF or a text file onto the \
chat, or send one from a notebook:

```python
chat.send("What is this?", df, fig, "report.pdf", model="demo/files")
```
"""


def describe(prompt: Prompt) -> str:
    """Return the whole answer: each attachment of the last message, then the person's text."""
    user_turns = [turn for turn in prompt.turns if turn.role == "user"]
    if not user_turns:
        return LABEL + _NOTHING
    *earlier, last = user_turns
    attachments = list(_attachments(last))
    parts = [_list(attachments) if attachments else _NOTHING]
    names = [name for turn in earlier for name, _ in _attachments(turn)]
    if names:
        parts.append(f"From earlier messages I can read: {', '.join(map(_code, names))}.\n")
    own_text = _ATTACHMENT.sub("", last.text).strip()
    if own_text:
        quote = "\n".join(f"> {line}".rstrip() for line in own_text.splitlines())
        parts.append(f"You wrote:\n\n{quote}\n")
    return LABEL + "\n".join(parts)


def _list(attachments: Iterable[tuple[str, str]]) -> str:
    lines = [f"- {_code(name)}: {sentence}\n" for name, sentence in attachments]
    count = f"{len(lines)} attachments" if len(lines) > 1 else "one attachment"
    return f"I got {count}:\n\n{''.join(lines)}"


def _attachments(turn: Turn) -> Iterator[tuple[str, str]]:
    """Yield the name of each attachment, and a sentence about it."""
    for block in turn.blocks:
        if isinstance(block, ImageBlock):
            yield block.name, _image(block)
        elif isinstance(block, DocumentBlock):
            yield block.name, _document(block)
        elif isinstance(block, TextBlock):
            for name, text in _ATTACHMENT.findall(block.text):
                yield unescape(name), _text(text)


def _image(block: ImageBlock) -> str:
    kind = _KINDS.get(block.type, block.type)
    sides = sides_of(block.data)
    pixels = f"{sides[0]} × {sides[1]} pixels" if sides else "with a header that I cannot read"
    return f"a {kind} image, {pixels}, {size_in_words(len(block.data))}."


def _document(block: DocumentBlock) -> str:
    pages = pages_of(block.data)
    length = "" if pages is None else ", one page" if pages == 1 else f", {pages} pages"
    kind = "PDF" if block.type == "application/pdf" else block.type
    return f"a {kind} document{length}, {size_in_words(len(block.data))}."


def _text(text: str) -> str:
    lines = text.splitlines()
    if not lines:
        return "an empty text."
    count = f"{len(lines)} lines" if len(lines) > 1 else "one line"
    return f"a text of {count}. It begins with {_code(lines[0])}."


def _code(text: str) -> str:
    """Show a piece of untrusted text as code, so that it is not read as Markdown."""
    line = " ".join(text.split()).replace("`", "'")
    if len(line) > MAX_SHOWN_CHARS:
        line = line[: MAX_SHOWN_CHARS - 1] + "…"
    return f"`{line or ' '}`"


def pages_of(data: bytes) -> int | None:
    """Count the pages of a PDF, or return None if its page objects are compressed.

    A rewritten object keeps its number, and counts once.
    """
    if b"%PDF-" not in data[:1024]:
        return None
    objects = (data.rfind(b" obj", 0, page.start()) for page in _PAGE.finditer(data))
    return len({_number_before(data, begin) for begin in objects}) or None


def _number_before(data: bytes, end: int) -> bytes:
    """Return the number of the object before ``obj`` at this position, as in ``12 0 obj``."""
    words = data[max(0, end - 32) : max(0, end)].split()
    return words[-2] if len(words) > 1 else b""
