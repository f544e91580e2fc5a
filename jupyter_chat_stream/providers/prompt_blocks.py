"""The blocks of a prompt's turns: text, files, reasoning, tool calls and their results."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ..shared.json_objects import JsonView
from ..shared.records import ToolInput

# The first text of a message with the files of results, in a dialect whose results are texts.
RESULT_FILES = "These files belong to the results of the tools above."


@dataclass(frozen=True, kw_only=True)
class TextBlock:
    """Text of a turn, with the text of its attachments."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ImageBlock:
    """An image that a person attached. Only a model that can ``images`` gets it."""

    name: str
    type: str  # a media type: image/png, image/jpeg, image/gif or image/webp
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class DocumentBlock:
    """A document that a person attached. Only a model that can ``documents`` gets it."""

    name: str
    type: str  # a media type: application/pdf
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ReasoningBlock:
    """Reasoning of an earlier answer, in the provider's own form (``ProviderDataChunk``).

    Only the provider that sent it gets it back.
    """

    data: JsonView


@dataclass(frozen=True, kw_only=True)
class ToolUseBlock:
    """A tool call of an earlier round, in the turn of the assistant that made it.

    The next turn, a user's, has its ``ToolResultBlock``.
    """

    tool_call_id: str
    name: str
    input: ToolInput

    @property
    def text(self) -> str:
        """The call as text, for a model that has no tools now."""
        input_json = json.dumps(self.input, ensure_ascii=False)
        return f"[I called the tool {self.name!r} with this input: {input_json}]"


@dataclass(frozen=True, kw_only=True)
class ToolResultBlock:
    """The result of a tool call; it stands before all other blocks of its turn."""

    tool_call_id: str
    name: str
    success: bool
    output: Any = field(repr=False)
    """A JSON value. Of a failed call: what the model is told."""
    remarks: tuple[str, ...] = ()
    """Sentences about files of the result that this model does not get."""
    files: tuple[ImageBlock | DocumentBlock, ...] = ()
    """The images and documents of the result that this model gets."""

    @property
    def output_text(self) -> str:
        """The output as a model reads it: a text as it is, any other value as JSON."""
        output = self.output
        text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
        return "\n".join([text, *self.remarks]) if self.remarks else text

    @property
    def text(self) -> str:
        """The result as text, for a model that has no tools now."""
        outcome = "result" if self.success else "failure"
        return f'<tool_{outcome} name="{escape(self.name)}">\n{self.output_text}\n</tool_{outcome}>'


Block = TextBlock | ImageBlock | DocumentBlock | ReasoningBlock | ToolUseBlock | ToolResultBlock
