"""Builds the arguments of ``responses.create`` from a prompt, without I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ...shared.errors import BadRequest
from ...shared.json_objects import JsonObject, JsonView
from ..base import (
    DocumentBlock,
    ImageBlock,
    Model,
    Prompt,
    ReasoningBlock,
    TextBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from ..call_ids import api_id, api_name
from ..continuation import continuation
from ..endpoints import Endpoint
from . import content, params
from .refused_arguments import REASONING, Arguments

# The parameters of a message, and their names in the API.
PARAMS: Mapping[str, str] = {
    "effort": "effort",
    "temperature": "temperature",
    "tool_choice": "tool_choice",
    "top_p": "top_p",
}
ENCRYPTED = "reasoning.encrypted_content"
OUTPUT = "function_call_output"


def build(
    prompt: Prompt, endpoint: Endpoint, model: Model, without: Collection[str] = ()
) -> Arguments:
    """Return the arguments of ``responses.create`` for a prompt, without ``stream``.

    Args:
        without: arguments that the server has refused, of those that an answer can do without.

    Raises:
        BadRequest: the prompt holds something that no server takes.
    """
    arguments: Arguments = {"model": prompt.model, "input": _items(prompt, without)}
    if prompt.system and prompt.system.strip():
        arguments["instructions"] = prompt.system
    if prompt.max_tokens is not None:
        arguments["max_output_tokens"] = prompt.max_tokens
    if prompt.tools:
        arguments["tools"] = [_tool(tool) for tool in prompt.tools]
    is_background = endpoint.background and "background" not in without
    if is_background:
        arguments["background"] = True
    if "store" not in without:
        # Only a response that is stored can be joined again; any other need not be kept.
        arguments["store"] = is_background
    api_params = params.translate(prompt.params, PARAMS, "The Responses API")
    reasoning = {"effort": api_params.pop("effort")} if "effort" in api_params else {}
    if "reasoning" in model.can:
        if "reasoning.summary" not in without:
            reasoning["summary"] = "auto"
        if "include" not in without:
            arguments["include"] = [ENCRYPTED]
    if reasoning:
        arguments["reasoning"] = reasoning
    return arguments | api_params


def optional_of(arguments: Arguments) -> set[str]:
    """Return which of the arguments, and of their fields, an answer can do without."""
    names = {"background", "include", "store"} & arguments.keys()
    if "summary" in arguments.get("reasoning", {}):
        names.add("reasoning.summary")
    if any(item.get("type") == "reasoning" for item in arguments["input"]):
        names.add(REASONING)
    return names


def reasoning_data(model: str, item: JsonView) -> JsonObject:
    """Return the provider's data for reasoning that only this model can read again."""
    return {"model": model, "item": dict(item)}


def _items(prompt: Prompt, without: Collection[str]) -> list[JsonObject]:
    items: list[JsonObject] = []
    reader = None if REASONING in without else prompt.model
    for turn in filter(content.has_content, prompt.turns):
        items += _answer(turn, reader) if turn.role == "assistant" else _ask(turn)
    partial = prompt.partial.rstrip()
    if partial:
        items.append({"role": "assistant", "content": partial})
        items.append({"role": "user", "content": continuation(prompt.partial)})
    if not items or (items[-1].get("role") != "user" and items[-1].get("type") != OUTPUT):
        raise BadRequest("The prompt must end with a user's turn that is not blank.")
    return items


def _ask(turn: Turn) -> Iterator[JsonObject]:
    """Yield the items of a person's turn, after the results of tools that stand in it."""
    yield from map(_output, content.results(turn))
    if not any(content.visible_blocks(turn)):
        return
    if content.is_text(turn):
        yield {"role": "user", "content": turn.text}
    else:
        yield {"role": "user", "content": [_part(block) for block in content.visible_blocks(turn)]}


def _output(block: ToolResultBlock) -> JsonObject:
    """Return the item of a result: a plain text, or a list if it has files."""
    id_, text = api_id(block.tool_call_id), content.output_text(block)
    item: JsonObject = {"type": OUTPUT, "call_id": id_, "output": text}
    if block.files:
        texts = [TextBlock(text=text)] if text.strip() else []
        item["output"] = [_part(each) for each in (*texts, *block.files)]
    return item


def _call(block: ToolUseBlock) -> JsonObject:
    name, arguments = api_name(block.name), content.input_text(block)
    id_ = api_id(block.tool_call_id)
    return {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}


def _part(block: TextBlock | ImageBlock | DocumentBlock) -> JsonObject:
    if isinstance(block, ImageBlock):
        url = content.data_url(block)
        return {"type": "input_image", "image_url": url, "detail": "auto"}
    if isinstance(block, DocumentBlock):
        name, data = content.file_name(block), content.data_url(block)
        return {"type": "input_file", "filename": name, "file_data": data}
    return {"type": "input_text", "text": block.text}


def _answer(turn: Turn, reader: str | None) -> Iterator[JsonObject]:
    """Yield the items of an answer; the API refuses reasoning with no text or call after it.

    Args:
        reader: the model that can read its own reasoning again; None for no reasoning.
    """
    reasoning: list[JsonObject] = []
    for block in turn.blocks:
        if isinstance(block, ReasoningBlock):
            item = block.data.get("item")
            if reader and block.data.get("model") == reader and isinstance(item, Mapping):
                reasoning.append(dict(item))
        elif isinstance(block, TextBlock) and block.text.strip():
            yield from reasoning
            reasoning = []
            yield {"role": "assistant", "content": block.text}
        elif isinstance(block, ToolUseBlock):
            yield from reasoning
            reasoning = []
            yield _call(block)


def _tool(tool: Tool) -> JsonObject:
    """Return a tool as a function whose schema need not be a strict one."""
    return {"type": "function", "strict": False, **params.function(tool)}
