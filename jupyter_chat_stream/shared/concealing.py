"""Replacing secrets in texts, in the forms in which programs write them.

A secret that is printed as a part of a list, of ``os.environ`` or of JSON is escaped there. Where a
text was cut before, the beginning of a secret may be left: it is replaced, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

from .secret_names import MIN_SECRET_CHARS, is_secret_name

# The marks of our own code where it has cut a text. A mark of others may also end a text that is
# whole: "sk-proj-..." is written in many manuals. So may the end of a text.
_OUR_CUT_MARKS = ("…", "\n…", "\n[…]")
_OTHER_CUT_MARK = "..."
# There, and of a secret that may be a word, a beginning counts from this length on.
_MIN_BEGINNING_CHARS = 16
_PATH = re.compile(r"[/~\\.]|[A-Za-z]:[/\\]")  # The beginning of a path is no secret.
# Each line of a key of several lines, and each secret value in a file of JSON, is a secret itself.
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=_-]{24,}")
_MIN_JSON_CHARS = 24


def forms_of(secret: str) -> set[str]:
    """Return a secret as Python, JSON and an address write it, and the secrets in a long one."""
    as_python = {secret, repr(secret)[1:-1], ascii(secret)[1:-1]}
    as_python.add(repr(secret.encode(errors="replace"))[2:-1])
    forms = {form.replace("\\'", "'") for form in as_python}
    forms |= {form.replace("'", "\\'") for form in forms} | as_python
    forms |= {json.dumps(secret, ensure_ascii=ascii_)[1:-1] for ascii_ in (True, False)}
    forms |= {quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")}
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        forms |= {line for line in lines if _KEY_LINE.fullmatch(line)}
    for inner in _secrets_in_json(secret):
        forms |= forms_of(inner)
    return forms


def _secrets_in_json(text: str) -> list[str]:
    """Return the values of an object of JSON whose names tell of a secret; no addresses."""
    if not text.lstrip().startswith("{"):
        return []
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [
        value
        for name, value in values.items()
        if isinstance(value, str)
        and is_secret_name(name)
        and len(value) >= _MIN_JSON_CHARS
        and "://" not in value
    ]


class SecretTexts:
    """Some secrets, each with the text that stands in its place."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._marks = {form: mark for secret, mark in secrets.items() for form in forms_of(secret)}
        self._by_beginning: dict[str, list[str]] = {}
        for form in (each for each in self._marks if not _PATH.match(each)):
            if len(form) >= _MIN_BEGINNING_CHARS:
                self._by_beginning.setdefault(form[:MIN_SECRET_CHARS], []).append(form)
        self._any_form = _any_of(self._marks)
        self._beginning = _any_of(self._by_beginning)

    def concealed(self, text: str) -> str:
        """Return a whole text without secrets."""
        if not self._marks:
            return text
        text = self._any_form.sub(lambda match: self._marks[match[0]], text)
        return "".join(self._without_beginnings(text)) if self._by_beginning else text

    def held_back(self, text: str) -> int:
        """Return how many of the last characters may be the beginning of a secret.

        A whole secret is never divided: its end may look like the beginning of another one.
        """
        held_chars = 0
        for secret in self._marks:
            for size in range(min(len(secret) - 1, len(text)), held_chars, -1):
                if text.endswith(secret[:size]):
                    held_chars = size
                    break
        if not held_chars:
            return 0
        visible_end = len(text) - held_chars
        overlaps = (
            match
            for match in self._any_form.finditer(text)
            if match.start() < visible_end < match.end()
        )
        return next((len(text) - match.start() for match in overlaps), held_chars)

    def _without_beginnings(self, text: str) -> Iterator[str]:
        at = 0
        for match in self._beginning.finditer(text):
            start = match.start()
            for form in self._by_beginning[match[0]] if start >= at else ():
                end = start + _common_chars(form, text[start : start + len(form)])
                if _is_cut(text, start, end):
                    yield text[at:start]
                    yield self._marks[form]
                    at = end
                    break
        yield text[at:]


def _is_cut(text: str, start: int, end: int) -> bool:
    """Return whether the beginning of a secret ends where the text was cut."""
    if text.startswith(_OUR_CUT_MARKS, end):
        return True
    is_long = end - start >= _MIN_BEGINNING_CHARS
    return is_long and (end == len(text) or text.startswith(_OTHER_CUT_MARK, end))


def _common_chars(text: str, other_text: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = enumerate(zip(text, other_text, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(text), len(other_text)))


def _any_of(texts: Mapping[str, object]) -> re.Pattern[str]:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))
