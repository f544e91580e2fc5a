"""Makes a thread's title from the first sentence of its first question.

Only a thread without a title gets one, so a person's title is never replaced. The title is a
normal ``thread`` event, in the transaction of the message.
"""

from __future__ import annotations

import re
import unicodedata

from ...shared.events import ThreadChanged
from ..log.transaction import ThreadRef, Transaction
from ..sql import rows

MAX_CHARS = 60
LOOKED_AT_CHARS = 4000  # only the beginning of a question is searched for a title
MAX_SENTENCE_CHARS = 240  # longer sentences are cut, and finding their end would be slow
FIRST_QUESTIONS = 3  # are searched, because the first question may have only attachments

_FENCED = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1[`~]*\s*$|\Z)", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^(?:`{3,}|~{3,}).*$", re.MULTILINE)
# Marks of Markdown at the beginning of a line: headings, quotes, lists.
_LINE_MARKS = re.compile(r"^(?:#{1,6} |> ?|[-*+] |\d{1,3}[.)] )+")
# The end of a sentence, but not of a short beginning such as "E.g." or "Dr.". In Chinese and
# Japanese, no blank follows.
_SENTENCE = re.compile(r".{8,}?[.!?…]+(?=\s)|.+?[。！？]")
# Control characters, and marks that change the direction of a text.
_UNSEEN = ("Cc", "Cs")
TURNS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def title_of(text: str) -> str | None:
    """Return a question's first sentence, cut at a word; None if the question has no words.

    Fenced code is left out, unless the question is only code.
    """
    start = text[:LOOKED_AT_CHARS]
    line = _first_line(_FENCED.sub("\n", start)) or _first_line(_FENCE.sub("", start))
    match = _SENTENCE.match(line[:MAX_SENTENCE_CHARS])
    sentence = match[0] if match else line
    return _shorten(sentence.rstrip(" .。")) or None


def _first_line(text: str) -> str:
    """Return the first line that has a letter or a digit, without its marks."""
    for line in text.splitlines():
        words = _LINE_MARKS.sub("", " ".join(_clean_line(line).split()))
        if any(char.isalnum() for char in words):
            return words
    return ""


def _clean_line(line: str) -> str:
    return "".join(
        " " if unicodedata.category(char) in _UNSEEN else char for char in line if char not in TURNS
    )


def _shorten(sentence: str) -> str:
    if len(sentence) <= MAX_CHARS:
        return sentence
    text = sentence[: MAX_CHARS - 1]
    if not sentence[MAX_CHARS - 1].isspace():
        words, blank, _ = text.rpartition(" ")
        text = words if blank and len(words) >= MAX_CHARS // 2 else _whole_signs(sentence, text)
    return text.rstrip(" ,;:-–—") + "…"


def _whole_signs(sentence: str, text: str) -> str:
    """Remove the last sign if the cut has split it from its accents or its emoji parts.

    A joiner connects the signs on both sides of it.
    """
    while text and (
        unicodedata.combining(sentence[len(text)])
        or unicodedata.category(sentence[len(text)]) in ("Mn", "Me", "Sk", "Cf")
        or text[-1] == "\u200d"
    ):
        text = text[:-1]
    return text


def entitle(tx: Transaction, thread: ThreadRef) -> None:
    """Set the title of a thread without one from its first question, if that has words."""
    sql = "SELECT parts FROM message WHERE thread = :pk AND role = 'user' ORDER BY seq LIMIT :most"
    for (parts,) in tx.execute(sql, {"pk": thread.pk, "most": FIRST_QUESTIONS}).fetchall():
        texts = [part["text"] for part in rows.load_or_none(parts) or [] if part["kind"] == "text"]
        title = title_of("\n".join(texts))
        if title is not None:
            tx.append(thread, ThreadChanged(thread={"title": title}))
            return
