"""Turns the result of a call to an MCP server into output for the model.

The model gets the result's texts as output, and its pictures and files as files of the result. If
there are no texts, the output is the structured content, which servers otherwise repeat as text.
All content is untrusted. Large outputs are cut later, when the result is written.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from ....shared.json_objects import JsonView
from ..base import NewFile, ToolDone

NOTHING = "The tool returned nothing."


def done_of(result: JsonView) -> ToolDone:
    """Return the output of a call."""
    content = result.get("content")
    blocks = [block for block in content if isinstance(block, Mapping)] if content else []
    files: list[NewFile] = []
    texts = [text for text in (_text_of(block, files) for block in blocks) if text]
    structured = result.get("structuredContent")
    output: Any = "\n\n".join(texts) or structured
    if output is None:
        output = "" if files else NOTHING
    is_fine = result.get("isError") is not True
    return ToolDone(output=output, success=is_fine, attachments=tuple(files))


def _text_of(block: JsonView, files: list[NewFile]) -> str:
    """Return a block of a result as text; a block's bytes become a file."""
    kind = block.get("type")
    if kind == "text":
        return str(block.get("text", ""))
    if kind == "resource_link":
        return f"{block.get('title') or block.get('name') or 'A resource'}: {block.get('uri')}"
    resource = block.get("resource")
    if kind != "resource" or not isinstance(resource, Mapping):
        return _keep_file(
            f"{kind}-{len(files) + 1}", block.get("mimeType"), block.get("data"), files
        )
    if isinstance(resource.get("text"), str):
        return f"{resource.get('uri')}:\n{resource['text']}"
    name = str(resource.get("uri")).rstrip("/").rpartition("/")[2] or "resource"
    return _keep_file(name, resource.get("mimeType"), resource.get("blob"), files)


def _keep_file(name: str, media_type: Any, data: Any, files: list[NewFile]) -> str:
    """Keep the bytes of a block as a file. Returns a sentence if they are invalid, else empty."""
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return f"({name} is left out: it has no bytes that can be read.)"
    files.append(NewFile(name=name, type=str(media_type or ""), data=content))
    return ""
