"""Turns of the conversation as content of the Messages API, without I/O.

The API refuses a blank text, and an assistant's turn that ends with blanks or with thinking. This
module leaves them out. Thinking goes back unchanged, because the API checks its signature; in a
loop of tool calls it must stand before the calls that it led to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ...shared.json_objects import JsonObject, JsonView
from ..base import (
    Block,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from ..call_ids import api_id, api_name
from ..carried_files import base64_of
from .blocks import THINKING

if TYPE_CHECKING:
    from anthropic.types import (
        Base64ImageSourceParam,
        CacheControlEphemeralParam,
        ContentBlockParam,
        DocumentBlockParam,
        ImageBlockParam,
        TextBlockParam,
        ToolResultBlockParam,
        ToolUnionParam,
        ToolUseBlockParam,
    )

CACHE_MARK: CacheControlEphemeralParam = {"type": "ephemeral"}
MAX_TITLE_CHARS = 500  # the API's own limit


def to_content(turn: Turn) -> list[ContentBlockParam]:
    """Return a turn's blocks as the API takes them; an empty list for a turn that says nothing."""
    content = [param for block in turn.blocks if (param := _to_param(block, turn)) is not None]
    _insert_after_results(content, _files_of_failures(turn))
    while content and content[-1]["type"] in THINKING:
        content.pop()
    return content


def mark(content: list[ContentBlockParam]) -> None:
    """Mark the end of a turn, so that the API caches the prompt up to there."""
    cast("JsonObject", content[-1])["cache_control"] = CACHE_MARK


def tool_param(tool: Tool) -> ToolUnionParam:
    """Return a tool as the API takes it."""
    param: JsonObject = {"name": tool.name}
    if tool.description:
        param["description"] = tool.description
    if tool.input_schema is not None:
        param["input_schema"] = tool.input_schema
    return cast("ToolUnionParam", {**param, **tool.further})


def _to_param(block: Block, turn: Turn) -> ContentBlockParam | None:
    if isinstance(block, TextBlock):
        # All of the assistant's turns are trimmed and not only the last one, so that the cached
        # beginning is the same in every request.
        text = block.text.rstrip() if turn.role == "assistant" else block.text
        return {"type": "text", "text": text} if text.strip() else None
    if isinstance(block, ImageBlock):
        return _image(block)
    if isinstance(block, DocumentBlock):
        return _document(block)
    if isinstance(block, ToolUseBlock):
        return _call(block)
    if isinstance(block, ToolResultBlock):
        return _result(block)
    return _thinking(block.data)


def _image(block: ImageBlock) -> ImageBlockParam:
    source = {"type": "base64", "media_type": block.type, "data": base64_of(block.data)}
    return {"type": "image", "source": cast("Base64ImageSourceParam", source)}


def _document(block: DocumentBlock) -> DocumentBlockParam:
    param: DocumentBlockParam = {
        "type": "document",
        "source": {
            "type": "base64",
            "media_type": "application/pdf",
            "data": base64_of(block.data),
        },
    }
    title = block.name.strip()[:MAX_TITLE_CHARS]
    return {**param, "title": title} if title else param


def _call(block: ToolUseBlock) -> ToolUseBlockParam:
    call_input = dict(block.input)
    id_, name = api_id(block.tool_call_id), api_name(block.name)
    return {"type": "tool_use", "id": id_, "name": name, "input": call_input}


def _result(block: ToolResultBlock) -> ToolResultBlockParam:
    id_, text = api_id(block.tool_call_id), block.output_text
    param: ToolResultBlockParam = {"type": "tool_result", "tool_use_id": id_}
    if block.files and block.success:
        texts: list[TextBlockParam] = [{"type": "text", "text": text}] if text.strip() else []
        param["content"] = [*texts, *map(_file, block.files)]
    elif text.strip():
        param["content"] = text
    return param if block.success else {**param, "is_error": True}


def _file(block: ImageBlock | DocumentBlock) -> ImageBlockParam | DocumentBlockParam:
    return _image(block) if isinstance(block, ImageBlock) else _document(block)


def _files_of_failures(turn: Turn) -> list[ContentBlockParam]:
    """Return the files of failed calls: the API takes only text as the content of an error."""
    return [
        _file(file)
        for block in turn.blocks
        if isinstance(block, ToolResultBlock) and not block.success
        for file in block.files
    ]


def _insert_after_results(content: list[ContentBlockParam], files: list[ContentBlockParam]) -> None:
    """Put files right after the results of a turn: results come first in it."""
    count = sum(each["type"] == "tool_result" for each in content)
    content[count:count] = files


def _thinking(data: JsonView) -> ContentBlockParam | None:
    """Return a block of thinking; None for data that is not of this API."""
    known_by = THINKING.get(str(data.get("type")))
    return cast("ContentBlockParam", dict(data)) if known_by and data.get(known_by) else None
