"""Builds the arguments of ``messages.create`` from a prompt, without I/O.

The API refuses some prompts for reasons that are known beforehand. This module corrects blank
turns, blanks at the end of an assistant's turn, more than four cache marks, and a reply that was
cut. It refuses a prompt that does not end with a user's turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from ...shared.errors import BadRequest
from ...shared.records import Role
from ..base import Model, Prompt, Turn
from ..continuation import continuation
from . import params, thinking

if TYPE_CHECKING:
    from anthropic.types import ContentBlockParam, MessageParam, TextBlockParam, ToolUnionParam
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

MAX_CACHE_MARKS = 4  # the API's limit for one request
DEFAULT_MAX_TOKENS = 32_000


def build(
    prompt: Prompt, model: Model, paused: Iterable[ContentBlockParam] = ()
) -> MessageCreateParamsStreaming:
    """Return the arguments of ``messages.create`` for a prompt.

    Args:
        paused: the blocks of this answer that came before the model paused.

    Raises:
        BadRequest: the prompt holds something that the API does not take.
    """
    given = params.parse(prompt.params)
    max_tokens = prompt.max_tokens or min(model.max_output_tokens, DEFAULT_MAX_TOKENS)
    arguments: MessageCreateParamsStreaming = {
        "model": prompt.model,
        "max_tokens": max_tokens,
        "messages": _messages(prompt, list(paused)),
        "stream": True,
    }
    if prompt.system and prompt.system.strip():
        arguments["system"] = [_text_block(prompt.system, cache=True)]
    if prompt.tools:
        arguments["tools"] = [cast("ToolUnionParam", dict(tool)) for tool in prompt.tools]
    thought, effort = thinking.choose(prompt.model, given, max_tokens)
    if thought is not None:
        arguments["thinking"] = thought
    if effort is not None:
        arguments["output_config"] = {"effort": effort}
    if given.stop_sequences is not None:
        arguments["stop_sequences"] = given.stop_sequences
    if given.tool_choice is not None:
        arguments["tool_choice"] = given.tool_choice
    return arguments


def _messages(prompt: Prompt, paused: list[ContentBlockParam]) -> list[MessageParam]:
    turns = [turn for turn in prompt.turns if turn.text.strip()]
    has_system = bool(prompt.system and prompt.system.strip())
    marked = _last_marks(turns, MAX_CACHE_MARKS - has_system)
    messages = [
        _message(turn.role, _trimmed(turn), cache=index in marked)
        for index, turn in enumerate(turns)
    ]
    partial = prompt.partial.rstrip()
    if partial:
        messages.append(_message("assistant", partial))
        messages.append(_message("user", continuation(prompt.partial)))
    if not messages or messages[-1]["role"] != "user":
        raise BadRequest("The prompt must end with a user's turn that is not blank.")
    if paused:
        messages.append({"role": "assistant", "content": paused})
    return messages


def _last_marks(turns: list[Turn], most: int) -> frozenset[int]:
    """Keep the latest marks: each covers everything before it."""
    return frozenset([i for i, turn in enumerate(turns) if turn.cache][-most:])


def _trimmed(turn: Turn) -> str:
    # The API refuses blanks at the end of the last assistant's turn. All of them are trimmed, so
    # that the cached beginning is the same in every request.
    return turn.text.rstrip() if turn.role == "assistant" else turn.text


def _message(role: Role, text: str, *, cache: bool = False) -> MessageParam:
    content = [_text_block(text, cache=cache)]
    if role == "user":
        return {"role": "user", "content": content}
    return {"role": "assistant", "content": content}


def _text_block(text: str, *, cache: bool = False) -> TextBlockParam:
    block: TextBlockParam = {"type": "text", "text": text}
    if cache:
        block["cache_control"] = {"type": "ephemeral"}
    return block
