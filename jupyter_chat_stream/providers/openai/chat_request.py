"""Builds the arguments of ``chat.completions.create`` from a prompt, without I/O.

Some servers (DeepSeek, Kimi) want the reasoning before a tool call back with the call. It goes back
in the field in which it came, to the model that wrote it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ...shared.errors import BadRequest
from ...shared.json_objects import JsonObject
from ..base import (
    DocumentBlock,
    ImageBlock,
    Prompt,
    ReasoningBlock,
    TextBlock,
    Tool,
    ToolUseBlock,
    Turn,
)
from ..call_ids import api_id, api_name
from ..continuation import continuation
from ..endpoints import Endpoint
from . import content, params
from .params import EFFORTS as EFFORTS  # the words of the parameter `effort`
from .refused_arguments import Arguments

# The parameters of a message, and their names in the API.
PARAMS: Mapping[str, str] = {
    "effort": "reasoning_effort",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "stop_sequences": "stop",
    "temperature": "temperature",
    "tool_choice": "tool_choice",
    "top_p": "top_p",
}


# The fields in which servers send reasoning; a server sends the first or the second one.
REASONING_FIELDS = ("reasoning_content", "reasoning")


def build(prompt: Prompt, endpoint: Endpoint, without: Collection[str] = ()) -> Arguments:
    """Return the arguments of ``chat.completions.create`` for a prompt, without ``stream``.

    Args:
        without: arguments that the server has refused, of those that an answer can do without.

    Raises:
        BadRequest: the prompt holds something that no server takes.
    """
    arguments: Arguments = {"model": prompt.model, "messages": _messages(prompt, without)}
    if "stream_options" not in without:
        arguments["stream_options"] = {"include_usage": True}
    if prompt.max_tokens is not None:
        # OpenAI's reasoning models refuse the old name; many other servers do not know the new one.
        name = "max_completion_tokens" if endpoint.is_openai else "max_tokens"
        arguments[name] = prompt.max_tokens
    if prompt.tools:
        arguments["tools"] = [_tool(tool) for tool in prompt.tools]
    return arguments | params.translate(prompt.params, PARAMS, "Chat Completions")


def optional_of(arguments: Arguments) -> set[str]:
    """Return which of the arguments an answer can do without."""
    fields = {field for message in arguments["messages"] for field in message}
    return ({"stream_options"} & arguments.keys()) | (fields & set(REASONING_FIELDS))


def reasoning_data(model: str, field: str, text: str) -> JsonObject:
    """Return the provider's data for reasoning that led this model to a tool call."""
    return {"model": model, "field": field, "text": text}


def _messages(prompt: Prompt, without: Collection[str]) -> list[JsonObject]:
    turns = filter(content.has_content, prompt.turns)
    messages = [message for turn in turns for message in _messages_of(turn, prompt.model, without)]
    partial = prompt.partial.rstrip()
    if partial:
        messages.append({"role": "assistant", "content": partial})
        messages.append({"role": "user", "content": continuation(prompt.partial)})
    if not messages or messages[-1]["role"] not in ("user", "tool"):
        raise BadRequest("The prompt must end with a user's turn that is not blank.")
    if prompt.system and prompt.system.strip():
        messages.insert(0, {"role": "system", "content": prompt.system})
    return messages


def _messages_of(turn: Turn, model: str, without: Collection[str]) -> Iterator[JsonObject]:
    """Yield the messages of a turn: each result of a tool is one of its own.

    Such a message holds only text, so the files of results come in a user's message after them.
    """
    for result in content.results(turn):
        text, id_ = content.output_text(result), api_id(result.tool_call_id)
        yield {"role": "tool", "tool_call_id": id_, "content": text}
    calls = [_call(call) for call in content.calls(turn)]
    if calls:
        message = {"role": "assistant", "content": turn.text.strip() or None, "tool_calls": calls}
        yield message | _reasoning(turn, model, without)
    elif files := [_part(block) for block in content.result_files(turn)]:
        yield {"role": "user", "content": [*files, *map(_part, content.visible_blocks(turn))]}
    elif any(content.visible_blocks(turn)):
        yield _message(turn)


def _reasoning(turn: Turn, model: str, without: Collection[str]) -> dict[str, str]:
    """Return the field with the reasoning of a turn, if this model has written it."""
    fields: dict[str, str] = {}
    for block in turn.blocks:
        data = block.data if isinstance(block, ReasoningBlock) else {}
        field, text = data.get("field"), data.get("text")
        is_ours = data.get("model") == model and field in REASONING_FIELDS
        if is_ours and field not in without and isinstance(text, str):
            fields[str(field)] = fields.get(str(field), "") + text
    return fields


def _call(block: ToolUseBlock) -> JsonObject:
    function = {"name": api_name(block.name), "arguments": content.input_text(block)}
    return {"id": api_id(block.tool_call_id), "type": "function", "function": function}


def _message(turn: Turn) -> JsonObject:
    if content.is_text(turn):
        return {"role": turn.role, "content": turn.text}
    return {"role": turn.role, "content": [_part(block) for block in content.visible_blocks(turn)]}


def _part(block: TextBlock | ImageBlock | DocumentBlock) -> JsonObject:
    if isinstance(block, ImageBlock):
        return {"type": "image_url", "image_url": {"url": content.data_url(block)}}
    if isinstance(block, DocumentBlock):
        file = {"filename": content.file_name(block), "file_data": content.data_url(block)}
        return {"type": "file", "file": file}
    return {"type": "text", "text": block.text}


def _tool(tool: Tool) -> JsonObject:
    return {"type": "function", "function": params.function(tool)}
