"""Refuses content like the Claude API: invalid files, and thinking that is not the API's own.

The signature of thinking is a function of the text, so the fake API recognizes its own blocks
without storing them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..shared.json_objects import JsonView

MAX_IMAGE_BYTES = 5 * 1024 * 1024  # of the image itself
MAX_IMAGE_SIDE = 8_000
MAX_PAGES = 100  # of all documents together
MAX_BODY_BYTES = 32 * 1024 * 1024
# The beginning of a file of each type.
MAGIC = {
    "image/png": rb"\x89PNG\r\n\x1a\n",
    "image/jpeg": rb"\xff\xd8\xff",
    "image/gif": rb"GIF8[79]a",
    "image/webp": rb"RIFF....WEBP",
}
_THINKING = ("thinking", "redacted_thinking")
_PAGE = re.compile(rb"/Type\s*/Page\b")


def signature_of(thinking: str) -> str:
    """Return the signature of a text of thinking."""
    return _digest(f"signature of {thinking}")


def redacted_data_of(thinking: str) -> str:
    """Return thinking in encrypted form, with a signature."""
    payload = base64.b64encode(thinking.encode()).decode()
    return f"{payload}.{_digest(f'data of {payload}')}"


def wrongs_of(messages: list[JsonView]) -> Iterator[str]:
    """Yield each refusal of the API for the content of messages, in its own words."""
    pages = 0
    for number, message in enumerate(messages):
        content = message.get("content")
        blocks = content if isinstance(content, list) else []
        for index, block in enumerate(blocks):
            place = f"messages.{number}.content.{index}"
            kind = block.get("type")
            if kind in ("image", "document"):
                if message.get("role") != "user":
                    yield f"{place}: `{kind}` blocks are only permitted in `user` messages"
                yield from _wrong_file(place, block)
                if kind == "document":
                    pages += len(_PAGE.findall(_bytes_of(block) or b""))
            elif kind in _THINKING:
                yield from _wrong_thinking(place, message, block)
            elif kind == "tool_result":
                yield from _wrong_result_content(place, block)
        if blocks and blocks[-1].get("type") in _THINKING:
            place = f"messages.{number}"
            yield f"{place}: The final block in an assistant message cannot be `thinking`."
    if pages > MAX_PAGES:
        yield f"A maximum of {MAX_PAGES} PDF pages may be provided."


def _wrong_result_content(place: str, block: JsonView) -> Iterator[str]:
    content = block.get("content")
    for index, inner in enumerate(content if isinstance(content, list) else ()):
        if block.get("is_error") and inner.get("type") != "text":
            yield f"{place}: all content must be type `text` if `is_error` is true"
        if inner.get("type") in ("image", "document"):
            yield from _wrong_file(f"{place}.content.{index}", inner)


def _wrong_thinking(place: str, message: JsonView, block: JsonView) -> Iterator[str]:
    kind = block["type"]
    if message.get("role") != "assistant":
        yield f"{place}: `{kind}` blocks are only permitted in `assistant` messages"
    if "cache_control" in block:
        yield f"{place}.cache_control: Extra inputs are not permitted"
    if kind == "thinking":
        is_ours = block.get("signature") == signature_of(str(block.get("thinking")))
    else:
        payload = str(block.get("data")).partition(".")[0]
        is_ours = block.get("data") == f"{payload}.{_digest(f'data of {payload}')}"
    if not is_ours:
        field = "signature" if kind == "thinking" else "data"
        yield f"{place}: Invalid `{field}` in `{kind}` block"


def _wrong_file(place: str, block: JsonView) -> Iterator[str]:
    source = f"{place}.{block['type']}.source.base64"
    data = _bytes_of(block)
    if not data:
        yield f"{source}.data: Invalid base64 data"
    elif block["type"] == "document":
        if block["source"].get("media_type") != "application/pdf" or not data.startswith(b"%PDF-"):
            yield f"{source}.data: The PDF specified was not valid."
        elif b"/Encrypt" in data:
            yield f"{source}.data: The PDF specified is password protected."
        if not 1 <= len(block.get("title", "x")) <= 500:
            yield f"{place}.document.title: String should have 1 to 500 characters"
    else:
        yield from _wrong_image(source, block["source"].get("media_type"), data)


def _wrong_image(source: str, type_: Any, data: bytes) -> Iterator[str]:
    if type_ not in MAGIC:
        yield f"{source}.media_type: Input should be {', '.join(map(repr, MAGIC))}"
    elif not re.match(MAGIC[type_], data, re.DOTALL):
        yield (f"{source}.data: Image does not match the provided media type {type_}")
    if len(data) > MAX_IMAGE_BYTES:
        yield (f"{source}: image exceeds 5 MB maximum: {len(data)} bytes > {MAX_IMAGE_BYTES} bytes")
    if type_ == "image/png" and len(data) >= 24:
        sides = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        if max(sides) > MAX_IMAGE_SIDE:
            yield (
                f"{source}.data: At least one of the image dimensions exceed max allowed size: "
                f"{MAX_IMAGE_SIDE} pixels"
            )
        elif min(sides) == 0:
            yield f"{source}.data: Could not process image"


def _bytes_of(block: JsonView) -> bytes | None:
    """Return the bytes of a file; None if it is not in base64."""
    source = block.get("source")
    if not isinstance(source, Mapping) or source.get("type") != "base64":
        return None
    try:
        return base64.b64decode(str(source.get("data")), validate=True)
    except (binascii.Error, ValueError):
        return None


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
