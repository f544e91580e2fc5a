"""A model that makes one tool call in each answer, and says when, by the clock of all processes.

The call's input is a stamp of the moment at which the model asks for the call. The text after the
result is a stamp of the moment at which the result has come back to the model.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from jupyter_chat_stream.providers.base import (
    Chunk,
    EndChunk,
    Model,
    Prompt,
    TextChunk,
    ToolCallChunk,
    ToolResultBlock,
)
from jupyter_chat_stream.providers.call_ids import CallIds

from .plugins import OneModelProvider
from .stamps import stamp

MODEL = "calls/once"
TOOL = "work"


class CallingProvider(OneModelProvider):
    """Calls the tool ``work`` once, then ends the answer."""

    name = "calls"
    model_name = "once"

    def models(self) -> tuple[Model, ...]:
        return tuple(replace(model, can=("tools",)) for model in super().models())

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        came = stamp()
        usage = {"input_tokens": 1, "output_tokens": 1}
        if any(isinstance(block, ToolResultBlock) for block in prompt.turns[-1].blocks):
            yield TextChunk(text=came)
            yield EndChunk(stop_reason="end_turn", model=prompt.model, usage=usage)
        else:
            id_ = CallIds(prompt).take(f"call-{len(prompt.turns)}")
            yield ToolCallChunk(tool_call_id=id_, name=TOOL, input={"asked": stamp()})
            yield EndChunk(stop_reason="tool_use", model=prompt.model, usage=usage)
