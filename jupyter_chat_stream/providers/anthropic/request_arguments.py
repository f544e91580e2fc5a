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
    prompt: Prompt,
    model: Model,
    endpoint: Endpoint,
    paused_blocks: Iterable[ContentBlockParam] = (),
) -> MessageCreateParamsStreaming:
    """Return the arguments of ``messages.create`` for a prompt.

    Args:
        model: whose longest answer is asked for if the prompt names no length.
        endpoint: its parameters are allowed.
        paused_blocks: the blocks of this answer that came before the model paused.

    Raises:
        BadRequest: the prompt holds something that the API does not take.
    """
    claude_params = params.parse(prompt.params, endpoint)
    max_tokens = prompt.max_tokens or min(model.max_output_tokens, DEFAULT_MAX_TOKENS)
    arguments: MessageCreateParamsStreaming = {
        "model": prompt.model,
        "max_tokens": max_tokens,
        "messages": _messages(prompt, list(paused_blocks)),
        "stream": True,
    }
    if prompt.system and prompt.system.strip():
        arguments["system"] = [
            {"type": "text", "text": prompt.system, "cache_control": turns.CACHE_MARK}
        ]
    if prompt.tools:
        arguments["tools"] = list(map(turns.tool_param, prompt.tools))
    thinking_param, effort = thinking.choose(prompt.model, claude_params, max_tokens)
    if thinking_param is not None:
        arguments["thinking"] = thinking_param
    if effort is not None:
        arguments["output_config"] = {"effort": effort}
    if claude_params.stop_sequences is not None:
        arguments["stop_sequences"] = claude_params.stop_sequences
    if claude_params.tool_choice is not None:
        arguments["tool_choice"] = claude_params.tool_choice
    return arguments


def _messages(prompt: Prompt, paused_blocks: list[ContentBlockParam]) -> list[MessageParam]:
    pairs = [(turn, content) for turn in prompt.turns if (content := turns.to_content(turn))]
    has_system = bool(prompt.system and prompt.system.strip())
    cacheable = [content for turn, content in pairs if turn.cache]
    # The latest marks are kept: each covers everything before it.
    for content in cacheable[-(MAX_CACHE_MARKS - has_system) :]:
        turns.mark(content)
    messages = [_message(turn.role, content) for turn, content in pairs]
    partial = prompt.partial.rstrip()
    if partial:
        messages.append(_message("assistant", [{"type": "text", "text": partial}]))
        more = continuation(prompt.partial)
        messages.append(_message("user", [{"type": "text", "text": more}]))
    if not messages or messages[-1]["role"] != "user":
        raise BadRequest("The prompt must end with a user's turn that is not blank.")
    if paused_blocks:
        messages.append(_message("assistant", paused_blocks))
    return messages


def _message(role: Role, content: list[ContentBlockParam]) -> MessageParam:
    if role == "user":
        return {"role": "user", "content": content}
    return {"role": "assistant", "content": content}
