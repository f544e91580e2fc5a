"""Decides which texts from outside an error may quote: one short line, without secrets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping

from .base import (
    DocumentBlock,
    ImageBlock,
    Prompt,
    ReasoningBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from .continuation import CONTINUE_MARK

MAX_QUOTE_CHARS = 300
MAX_EXPLANATION_CHARS = 500
_WINDOW_CHARS = 16  # compared at once; the windows overlap by half
# A server may cut a key short or mask its end: this many characters in a row are a part of it.
_KEY_WINDOW_CHARS = 8
# Some servers quote the value that they refuse. So many characters are an encoded file, or
# encrypted reasoning, and no word of a sentence.
_ENCODED_TEXT = re.compile(r"[A-Za-z0-9+/_-]{48}")


def as_line(text: str, max_chars: int) -> str:
    """Return a text as one line of at most ``max_chars`` characters, without invisible ones."""
    visible = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in text[: max_chars * 8]
        if unicodedata.category(char) not in ("Cf", "Cs", "Co", "Cn")
    )
    line = " ".join(visible.split())
    return line if len(line) <= max_chars else line[: max_chars - 1].rstrip() + "…"


def as_reason(text: str) -> str:
    """Return a model's explanation as the end of a sentence; a full stop if it is blank."""
    reason = as_line(text, MAX_EXPLANATION_CHARS)
    if not reason:
        return "."
    return f": {reason}" if reason[-1] in ".!?…" else f": {reason}."


def quote(message: str, prompt: Prompt, key: str, secrets: Collection[str] = ()) -> str:
    """Return a server's message as a sentence; empty if it quotes a secret or the prompt.

    Args:
        secrets: texts besides the key that nobody may read, nor 16 characters of them in a row;
            empty ones do not count.
    """
    line = " ".join(message.split())[:MAX_QUOTE_CHARS]
    if not line or any(secret and secret in message for secret in (key, *secrets)):
        return ""
    if any(_holds_part(line, secret, _WINDOW_CHARS) for secret in secrets):
        return ""
    if _ENCODED_TEXT.search(line):
        return ""
    return f" It says: {line}" if may_quote(line, prompt, key) else ""


def may_quote(line: str, prompt: Prompt, key: str) -> bool:
    """Whether a line quotes neither a part of the key nor the prompt."""
    if (key and key in line) or _holds_part(line, key, _KEY_WINDOW_CHARS):
        return False
    if CONTINUE_MARK[:_WINDOW_CHARS] in line:
        return False
    return not any(_shares_text(line, text) for text in _texts(prompt))


def _holds_part(line: str, secret: str, length: int) -> bool:
    """Whether a line holds as many characters of a secret in a row; False for a shorter secret."""
    return any(secret[i : i + length] in line for i in range(len(secret) - length + 1))


def _texts(prompt: Prompt) -> Iterable[str]:
    for turn in prompt.turns:
        yield turn.text
        for block in turn.blocks:
            if isinstance(block, (ImageBlock, DocumentBlock)):
                yield block.name
            elif isinstance(block, ReasoningBlock):
                yield from _strings(block.data)
            elif isinstance(block, ToolUseBlock):
                yield from _strings(block.input)
            elif isinstance(block, ToolResultBlock):
                yield from _strings(block.output)
    yield prompt.system or ""
    yield prompt.partial


def _strings(value: object) -> Iterable[str]:
    """Return the texts inside of a JSON value, without the names of kinds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name != "type":
                yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)


def _shares_text(line: str, text: str) -> bool:
    """Whether a line quotes a text: the whole text, or any 24 characters of it in a row."""
    flat_text = " ".join(text.split()) if len(text) < 1_000_000 else text
    if flat_text and len(flat_text) >= 6 and flat_text in line:
        return True
    step = _WINDOW_CHARS // 2
    windows = range(0, len(line) - _WINDOW_CHARS + 1, step)
    return any(line[i : i + _WINDOW_CHARS] in flat_text for i in windows)
