"""Builds the arguments of ``messages.create`` from a prompt, without I/O.

The API refuses some prompts for reasons that are known beforehand. `turns` corrects what a turn
may not hold. This module corrects more than four cache marks and a reply that was cut, and refuses
a prompt that does not end with a user's turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...shared.errors import BadRequest
from ...shared.records import Role
from ..base import Model, Prompt
from ..continuation import continuation
from ..endpoints import Endpoint
from . import params, thinking, turns

if TYPE_CHECKING:
    from anthropic.types import ContentBlockParam, MessageParam
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

MAX_CACHE_MARKS = 4  # the API's limit for one request
DEFAULT_MAX_TOKENS = 32_000


def build(
    prompt: Prompt, model: Model, endpoint: Endpoint, paused: Iterable[ContentBlockParam] = ()
) -> MessageCreateParamsStreaming:
    """Return the arguments of ``messages.create`` for a prompt.

    Args:
        model: whose longest answer is asked for if the prompt names no length.
        endpoint: its parameters are allowed.
        paused: the blocks of this answer that came before the model paused.

    Raises:
        BadRequest: the prompt holds something that the API does not take.
    """
    given = params.parse(prompt.params, endpoint)
    max_tokens = prompt.max_tokens or min(model.max_output_tokens, DEFAULT_MAX_TOKENS)
    arguments: MessageCreateParamsStreaming = {
        "model": prompt.model,
        "max_tokens": max_tokens,
        "messages": _messages(prompt, list(paused)),
        "stream": True,
    }
    if prompt.system and prompt.system.strip():
        arguments["system"] = [
            {"type": "text", "text": prompt.system, "cache_control": turns.CACHE_MARK}
        ]
    if prompt.tools:
        arguments["tools"] = list(map(turns.tool_param, prompt.tools))
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
    read = [(turn, content) for turn in prompt.turns if (content := turns.to_content(turn))]
    has_system = bool(prompt.system and prompt.system.strip())
    marked = [content for turn, content in read if turn.cache]
    # The latest marks are kept: each covers everything before it.
    for content in marked[-(MAX_CACHE_MARKS - has_system) :]:
        turns.mark(content)
    messages = [_message(turn.role, content) for turn, content in read]
    partial = prompt.partial.rstrip()
    if partial:
        messages.append(_message("assistant", [{"type": "text", "text": partial}]))
        more = continuation(prompt.partial)
        messages.append(_message("user", [{"type": "text", "text": more}]))
    if not messages or messages[-1]["role"] != "user":
        raise BadRequest("The prompt must end with a user's turn that is not blank.")
    if paused:
        messages.append(_message("assistant", paused))
    return messages


def _message(role: Role, content: list[ContentBlockParam]) -> MessageParam:
    if role == "user":
        return {"role": "user", "content": content}
    return {"role": "assistant", "content": content}
