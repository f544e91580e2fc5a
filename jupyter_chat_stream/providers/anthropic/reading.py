"""From the events of the Messages API to chunks: fed one event at a time, no I/O.

::

    message_start ─► (content_block_start ─► delta … ─► content_block_stop) … ─► message_delta
                                                                      message_stop ─► EndChunk

Whether the stream was whole is known here: the SDK ends a cut one without a word. A stream that has
told its stop reason and then ends well is whole, though ``message_stop`` be missing.
"""

from __future__ import annotations

from typing import Any

from ...shared.errors import NotTheProvider, Refusal, StreamCut
from ..base import Chunk, EndChunk, Prompt, ReasoningChunk, TextChunk, ToolCallChunk, ToolInputChunk
from .blocks import KNOWN, Block, given_back, plain
from .quoting import as_line

_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}
_CUT_BY_ITSELF = ("max_tokens", "model_context_window_exceeded")
MAX_EXPLANATION_CHARS = 500


class Reading:
    """The state of reading one answer.

    Args:
        prompt: for the model's name, and for the partial text that this answer goes on from.
    """

    def __init__(self, prompt: Prompt) -> None:
        self.is_ended = False
        self._has_events = False  # of any request: after a pause it is known who answers
        self._model = prompt.model
        self._usage = dict.fromkeys(_USAGE.values(), 0)
        self._usage_before = dict(self._usage)  # of the requests before a pause
        self._stop_reason: str | None = None
        self._stop_details: dict[str, Any] = {}
        self._blocks: list[Block] = []
        self._open: dict[int, Block] = {}
        self._names: dict[str, str] = {}  # of the tools called, by the call's id
        self._broken_tool: str | None = None
        self._unsure: ToolCallChunk | None = None  # a call without any input: whole, or cut
        # The API got the partial text without the blanks at its end, so a model that goes on
        # properly writes them again; what we have already is dropped, character by character.
        kept = prompt.partial.rstrip()
        self._blanks_again = prompt.partial[len(kept) :] if kept else ""

    def feed(self, event: Any) -> list[Chunk]:
        """Take the next event in; answer what it brings.

        Raises:
            Refusal: the model declined to answer.
            StreamCut: a tool's input is not whole although the model says it is done.
        """
        self._has_events = True
        kind = event.type
        if kind == "content_block_delta":
            return self._delta(event.index, event.delta)
        if kind == "content_block_start":
            return [*self._sure(), *self._start(event.index, event.content_block)]
        if kind == "content_block_stop":
            return self._stop(event.index)
        if kind == "message_start":
            self._model = event.message.model or self._model
            self._count(event.message.usage)
        elif kind == "message_delta":
            self._count(event.usage)
            return self._note_stop(event.delta)
        elif kind == "message_stop":
            return [*self._sure(), self._end()]
        return []  # an event this version does not know

    def finish(self) -> list[Chunk]:
        """Take the clean end of a stream in that had no ``message_stop``.

        Raises:
            StreamCut: the model had not said that it was done.
            NotTheProvider: there was no event at all.
            Refusal: the model declined to answer.
        """
        if self._stop_reason is not None:
            return [*self._sure(), self._end()]
        if not self._has_events:
            raise NotTheProvider(
                "What answered is not the Claude API: its stream was empty of events. Look at "
                "ANTHROPIC_BASE_URL and at the proxies of the Jupyter server."
            )
        raise StreamCut("The answer ended in the middle: the Claude API did not say it was done.")

    def go_on(self) -> list[dict[str, Any]]:
        """Begin anew after a pause; gives the blocks that the model needs back."""
        back = given_back(self._blocks)
        last = self._blocks[-1].whole() if self._blocks else None
        if last is not None and last.get("type") == "text":
            text = last["text"]
            self._blanks_again = text[len(text.rstrip()) :]
        self._blocks, self._open = [], {}
        self._usage_before = self._total()
        self._usage = dict.fromkeys(self._usage, 0)
        self._stop_reason, self.is_ended = None, False
        return back

    def _start(self, index: int, given: Any) -> list[Chunk]:
        block = self._open[index] = Block(plain(given))
        self._blocks.append(block)
        if block.is_call:
            self._names[block.id] = block.name
            return [ToolInputChunk(tool_call_id=block.id, name=block.name, text="")]
        if block.kind == "text":
            return self._text(block.value.get("text"))
        if block.kind == "thinking" and block.value.get("thinking"):
            return [ReasoningChunk(text=block.value["thinking"])]
        return []

    def _delta(self, index: int, delta: Any) -> list[Chunk]:
        block = self._open.get(index)
        if block is None:  # its start is missing: what the delta says counts all the same
            kinds = {"text_delta": "text", "thinking_delta": "thinking"}
            block = self._open[index] = Block({"type": kinds.get(delta.type, "redacted_thinking")})
            self._blocks.append(block)
        block.add(delta)
        if delta.type == "text_delta" and block.kind == "text":
            return self._text(delta.text)
        if delta.type == "thinking_delta" and block.kind == "thinking":
            return [ReasoningChunk(text=delta.thinking)] if delta.thinking else []
        if delta.type == "input_json_delta" and block.is_call and delta.partial_json:
            name, text = block.name, delta.partial_json
            return [ToolInputChunk(tool_call_id=block.id, name=name, text=text)]
        return []  # signatures, citations, and what `_stop` shows

    def _stop(self, index: int) -> list[Chunk]:
        block = self._open.pop(index, None)
        if block is None or block.kind in KNOWN:
            return []
        if not block.is_call:
            return [block.result(self._names)]
        whole = block.input()
        if whole is None:
            self._broken_tool = block.id  # max_tokens may have cut it: known at the end
            return []
        call = ToolCallChunk(tool_call_id=block.id, name=block.name, input=whole)
        if whole or block.joined("partial_json"):
            return [call]
        self._unsure = call
        return []

    def _sure(self) -> list[Chunk]:
        """Return the call without an input, now that something came after it."""
        call, self._unsure = self._unsure, None
        return [] if call is None else [call]

    def _count(self, usage: Any) -> None:
        for theirs, ours in _USAGE.items():
            count = getattr(usage, theirs, None)
            if isinstance(count, int):  # cumulative: the last one counts
                self._usage[ours] = count

    def _total(self) -> dict[str, int]:
        return {name: self._usage_before[name] + count for name, count in self._usage.items()}

    def _note_stop(self, delta: Any) -> list[Chunk]:
        """Take the stop reason in; a block that nobody has closed ends here."""
        if not delta.stop_reason:
            return []
        self._stop_reason = str(delta.stop_reason)
        details = getattr(delta, "stop_details", None)
        self._stop_details = plain(details) if details is not None else {}
        closed = [chunk for index in sorted(self._open) for chunk in self._stop(index)]
        if self._stop_reason in _CUT_BY_ITSELF:
            self._unsure = None  # cut before the first character of its input
        return [*self._sure(), *closed]

    def _end(self) -> EndChunk:
        self.is_ended = True
        stop_reason = self._stop_reason or "end_turn"
        if stop_reason == "refusal":
            raise self._refusal()
        if self._broken_tool is not None and stop_reason not in _CUT_BY_ITSELF:
            raise StreamCut(f"The input of tool call {self._broken_tool!r} did not come whole.")
        return EndChunk(stop_reason=stop_reason, model=self._model, usage=self._total())

    def _refusal(self) -> Refusal:
        category = self._stop_details.get("category")
        explanation = self._stop_details.get("explanation")
        why = as_line(explanation, MAX_EXPLANATION_CHARS) if isinstance(explanation, str) else ""
        said = f": {why}" if why else "."
        if isinstance(category, str) and not why:
            said = f" (category: {as_line(category, 64)})."
        elif why and why[-1] not in ".!?…":
            said += "."
        return Refusal(
            f"The model declined to answer{said} Ask in other words, or choose another model.",
            category=category if isinstance(category, str) else "unnamed",
        )

    def _text(self, text: str | None) -> list[Chunk]:
        text = self._without_known_blanks(text or "")
        return [TextChunk(text=text)] if text else []

    def _without_known_blanks(self, text: str) -> str:
        while self._blanks_again and text:
            if text[0] != self._blanks_again[0]:
                self._blanks_again = ""
                break
            text, self._blanks_again = text[1:], self._blanks_again[1:]
        return text
