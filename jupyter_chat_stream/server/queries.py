"""The query arguments and headers of a request, each parsed once.

A value that is malformed or out of bounds raises ``InvalidInput``.
"""

from __future__ import annotations

import re
import unicodedata
from email.message import Message
from typing import Any

from tornado.web import HTTPError, RequestHandler

from ..shared.errors import InvalidInput, NotFound
from ..shared.events import clean_text

MAX_WAIT_S = 60.0
# The largest integer that JavaScript holds exactly; no thread has so many events.
MAX_CURSOR = 9_007_199_254_740_991
MAX_FILE_NAME = 200

_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}")
# Controls, line breaks, and marks that turn the direction of a text, so that it reads differently.
_NOT_IN_NAMES = {"Cc", "Cs", "Zl", "Zp"}
_TURNS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DIGITS = re.compile(r"[0-9]{1,16}")
_SECONDS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6})?")
_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,9})\"?(?=$|[,;\s])", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?")


def text(
    handler: RequestHandler, name: str, *, min_chars: int = 1, max_chars: int = 200
) -> str | None:
    """Return a query argument with a length within its bounds; None if it is absent."""
    try:
        value = handler.get_query_argument(name, None, strip=False)
    except HTTPError:
        raise InvalidInput(f"'{name}' is not UTF-8.", field=name) from None
    if value is not None and not min_chars <= len(value) <= max_chars:
        raise InvalidInput(f"'{name}' must have {min_chars} to {max_chars} characters.", field=name)
    return None if value is None else clean_text(value)


def whole_number(handler: RequestHandler, name: str, *, minimum: int, maximum: int) -> int | None:
    """Return a whole number of the query, within its bounds; None if it is absent."""
    value = text(handler, name)
    return None if value is None else _whole_number(name, value, minimum=minimum, maximum=maximum)


def _whole_number(name: str, value: str, *, minimum: int, maximum: int) -> int:
    number = int(value) if _DIGITS.fullmatch(value) else -1
    if not minimum <= number <= maximum:
        raise InvalidInput(
            f"'{name}' must be a whole number from {minimum} to {maximum}.", field=name
        )
    return number


def flag(handler: RequestHandler, name: str) -> bool:
    """Return a flag of the query (1, true, 0 or false); an absent flag is False."""
    value = text(handler, name)
    if value in (None, "0", "false"):
        return False
    if value in ("1", "true"):
        return True
    raise InvalidInput(f"'{name}' must be 1, true, 0 or false.", field=name)


def one_of(handler: RequestHandler, name: str, words: tuple[str, ...]) -> str:
    """Return a query argument that must be one of some words; the first if it is absent."""
    value = text(handler, name) or words[0]
    if value not in words:
        raise InvalidInput(f"'{name}' must be one of: {', '.join(words)}.", field=name)
    return value


def seconds(handler: RequestHandler, name: str) -> float:
    """Return the seconds to wait, from 0 to 60; 0 if the argument is absent."""
    value = text(handler, name) or "0"
    number = float(value) if _SECONDS.fullmatch(value) else -1.0
    if not 0 <= number <= MAX_WAIT_S:
        raise InvalidInput(
            f"'{name}' must be a number of seconds from 0 to {MAX_WAIT_S:g}.", field=name
        )
    return number


def cursor(handler: RequestHandler) -> int:
    """Return the cursor: ``Last-Event-ID``, else ``after``, else 0."""
    after = whole_number(handler, "after", minimum=0, maximum=MAX_CURSOR) or 0
    last_event_id = handler.request.headers.get("Last-Event-ID")
    return (
        _whole_number("Last-Event-ID", last_event_id, minimum=0, maximum=MAX_CURSOR)
        if last_event_id
        else after
    )


def idempotency_key(handler: RequestHandler) -> str | None:
    """Return the request's Idempotency-Key (printable ASCII); None if it is absent."""
    value = handler.request.headers.get("Idempotency-Key")
    if value is not None and not _KEY.fullmatch(value):
        raise InvalidInput(
            "'Idempotency-Key' must be 1 to 200 printable ASCII characters.",
            field="Idempotency-Key",
        )
    return value


def file_name(handler: RequestHandler) -> str:
    """Return the file's name in ``Content-Disposition`` (RFC 6266), without its folders."""
    header = handler.request.headers.get("Content-Disposition", "")
    message = Message()
    message["Content-Disposition"] = _in_utf8(header).replace("\n", " ").replace("\r", " ")
    name = re.split(r"[/\\]", message.get_filename("") or "")[-1]
    chars = [
        char
        for char in clean_text(name)
        if unicodedata.category(char) not in _NOT_IN_NAMES and char not in _TURNS
    ]
    return "".join(chars).strip()[:MAX_FILE_NAME] or "attachment"


def _in_utf8(header: str) -> str:
    # tornado reads headers as Latin-1, and some clients send UTF-8.
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def preferred_wait(handler: RequestHandler) -> int | None:
    """Return the seconds of ``Prefer: wait=``, at most 60; a malformed header is ignored."""
    match = _PREFER_WAIT.search(handler.request.headers.get("Prefer", ""))
    return None if match is None else min(int(match.group(1)), int(MAX_WAIT_S))


def wants_stream(handler: RequestHandler) -> bool:
    """Return whether the Accept header asks for server-sent events."""
    accepted = handler.request.headers.get("Accept", "").lower().split(",")
    return any(kind.split(";")[0].strip() == "text/event-stream" for kind in accepted)


def an_id(value: str, missing: type[Any]) -> str:
    """Return a text that can be an id; raises an error of the class ``missing`` if it cannot."""
    if not _ID.fullmatch(value):
        error: NotFound = missing(value[:100])
        raise error
    return value
