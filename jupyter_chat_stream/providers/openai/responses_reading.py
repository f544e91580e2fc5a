"""From the events of the Responses API to chunks: fed one at a time, no I/O.

::

    response.created ─► (output_item.added ─► delta … ─► output_item.done) … ─► response.completed

A response that runs in the background can be joined again (L15): after each event comes its
number, also as a sign of life of a model that thinks in silence. What the next attempt must know
besides is in the handle: blanks that are still to be dropped, and the place of the last text. While
a tool call is half there or broken, no number comes, because the log holds no half call. Events
that nobody knows bring nothing else, and a field with a wrong type counts as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...shared.errors import NotTheProvider, StreamCut, UpstreamLost
from ...shared.json_objects import JsonObject, JsonView
from ..base import (
    Chunk,
    EndChunk,
    Model,
    ProviderDataChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
    UpstreamChunk,
    UsageChunk,
)
from ..call_ids import CallIds
from ..call_inputs import input_of
from ..continuation import KnownBlanks
from . import failures
from .failures import OpenAIRequest, refusal_error
from .responses_request import reasoning_data
from .usage import count, is_context_full

_CUT_BY_LENGTH = "max_output_tokens"
_CANCEL_EVENTS = ("response.cancelled", "response.canceled")


class ResponsesReading:
    """The state of reading one answer.

    Args:
        request: its prompt's ``upstream`` tells at which cursor this answer is joined again.
        model: the size of its context.
    """

    def __init__(self, request: OpenAIRequest, model: Model) -> None:
        self.is_ended = False
        self.usage: UsageChunk | None = None
        self.has_stopped = False  # the HTTP answer ended well, but not the model's
        self._request, self._model = request, model
        prompt = request.prompt
        self._upstream = prompt.upstream
        self._next_number: int | None = (
            None if prompt.upstream is None else prompt.upstream.cursor + 1
        )
        handle: JsonView = {} if prompt.upstream is None else prompt.upstream.handle
        self._response_id: str | None = handle.get("response_id")
        self._place: list[Any] | None = handle.get("place")
        self._blanks = KnownBlanks(prompt.partial)
        if self._upstream is not None:
            self._blanks.remaining = handle.get("blanks", "")
        self._usage: dict[str, int] = {}
        self._has_events = False
        self._refusal: list[str] = []
        self._calls: dict[str, tuple[str, str]] = {}  # of calls that are not whole: id and name
        self._broken_calls: dict[str, ToolCallChunk] = {}  # of those, the ones with a broken input
        self._ids = CallIds(prompt)
        self._has_calls = False
        self._handlers: Mapping[str, Callable[[Any], list[Chunk]]] = {
            "response.output_text.delta": self._text,
            "response.refusal.delta": self._refuse,
            "response.reasoning_summary_text.delta": self._reasoning,
            "response.reasoning_text.delta": self._reasoning,
            "response.function_call_arguments.delta": self._arguments,
            "response.output_item.added": self._begin_item,
            "response.output_item.done": self._end_item,
            "response.created": self._begin,
            "response.completed": self._complete,
            "response.incomplete": self._cut,
            "response.failed": self._fail,
            "error": self._fail,
            **dict.fromkeys(_CANCEL_EVENTS, self._note_cancel),
        }

    def feed(self, event: Any) -> list[Chunk]:
        """Take the next event; return the chunks that it brings.

        Raises:
            ProviderError: the answer has failed, was refused, or cannot be joined here.
        """
        kind = getattr(event, "type", None)
        self._has_events = self._has_events or str(kind).startswith("response.")
        number = getattr(event, "sequence_number", None)
        number = number if isinstance(number, int) else None
        if self._is_known(number):
            return []
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        chunks = handler(event) if handler is not None else []
        if number is not None and self._can_join and not self.is_ended:
            chunks.append(UpstreamChunk(handle=self._handle(), cursor=number))
        return chunks

    def finish(self) -> list[Chunk]:
        """Take the good end of an HTTP answer before the end of the response.

        Raises:
            NotTheProvider: no event came.
            StreamCut: the response has not ended.
        """
        if self.is_ended:
            return []
        endpoint = self._request.endpoint
        if not self._has_events and self._upstream is None:
            raise NotTheProvider(
                f"What answers at {endpoint.place} does not speak {self._request.api}: its stream "
                f"had no event. Look at the 'base_url' of the endpoint {endpoint.name!r}, and at "
                "its 'dialect'."
            )
        self.has_stopped = True
        raise StreamCut(
            f"The answer ended in the middle: {endpoint.title} did not say it was done."
        )

    # ------------------------------------------------------------------------- joining

    @property
    def _can_join(self) -> bool:
        return self._response_id is not None and not self._calls

    def _handle(self) -> JsonObject:
        handle: JsonObject = {"response_id": self._response_id}
        if self._blanks.remaining:
            handle["blanks"] = self._blanks.remaining
        if self._place is not None:
            handle["place"] = self._place
        return handle

    def _is_known(self, number: int | None) -> bool:
        """Return whether an event came in an earlier attempt.

        Raises:
            UpstreamLost: the first event is not the one after the cursor.
        """
        if self._next_number is None or number is None:
            return False
        if number < self._next_number:
            return True
        if number > self._next_number:
            raise UpstreamLost(
                f"{self._request.endpoint.title} no longer has the part of the answer that comes "
                "next."
            )
        self._next_number = None
        return False

    def _begin(self, event: Any) -> list[Chunk]:
        response = getattr(event, "response", None)
        id_ = getattr(response, "id", None)
        if getattr(response, "background", None) is True and isinstance(id_, str) and id_:
            self._response_id = id_
        return []

    # -------------------------------------------------------------------------- output

    def _text(self, event: Any) -> list[Chunk]:
        text = self._blanks.drop(_string(getattr(event, "delta", None)))
        if not text:
            return []
        between = self._between("text", event, 0)
        return [TextChunk(text=between + text)]

    def _reasoning(self, event: Any) -> list[Chunk]:
        text = _string(getattr(event, "delta", None))
        if not text:
            return []
        index = getattr(event, "summary_index", getattr(event, "content_index", 0))
        between = self._between("reasoning", event, index)
        return [ReasoningChunk(text=between + text)]

    def _between(self, kind: str, event: Any, index: Any) -> str:
        """Return what separates a text from the last one: a blank line, if it is another's."""
        place = [kind, getattr(event, "output_index", None), index]
        last_place, self._place = self._place, place
        return (
            "\n\n"
            if last_place is not None and last_place[0] == kind and last_place != place
            else ""
        )

    def _refuse(self, event: Any) -> list[Chunk]:
        self._refusal.append(_string(getattr(event, "delta", None)))
        return []

    def _begin_item(self, event: Any) -> list[Chunk]:
        item = getattr(event, "item", None)
        if getattr(item, "type", None) != "function_call":
            return []
        _, (call_id, name) = self._call_of(event, item)
        return [ToolInputChunk(tool_call_id=call_id, name=name, text="")]

    def _arguments(self, event: Any) -> list[Chunk]:
        call = self._calls.get(_string(getattr(event, "item_id", None)))
        text = _string(getattr(event, "delta", None))
        if call is None or not text:
            return []
        return [ToolInputChunk(tool_call_id=call[0], name=call[1], text=text)]

    def _end_item(self, event: Any) -> list[Chunk]:
        item = getattr(event, "item", None)
        kind = getattr(item, "type", None)
        if item is not None and kind == "reasoning":
            return self._keep(item)
        if kind != "function_call":
            return []
        key, (id_, name) = self._call_of(event, item)
        call_input = input_of(_string(getattr(item, "arguments", None)))
        if isinstance(call_input, str):  # the end decides: the length may have cut it
            call = ToolCallChunk(tool_call_id=id_, name=name, input={}, error=call_input)
            self._broken_calls[key] = call
            return []
        del self._calls[key]
        return [ToolCallChunk(tool_call_id=id_, name=name, input=call_input)]

    def _call_of(self, event: Any, item: Any) -> tuple[str, tuple[str, str]]:
        """Return the key of a call that is not whole, and its id in our log with its name."""
        call_id = _string(getattr(item, "call_id", None)) or _string(getattr(item, "id", None))
        call_id = call_id or f"call_{getattr(event, 'output_index', 0)}"
        key = _string(getattr(item, "id", None)) or call_id
        self._has_calls, self._place = True, None
        if key not in self._calls:
            self._calls[key] = self._ids.take(call_id), _string(getattr(item, "name", None))
        return key, self._calls[key]

    def _keep(self, item: Any) -> list[Chunk]:
        """Keep reasoning for later prompts; without its encrypted text no server takes it back."""
        if not _string(getattr(item, "encrypted_content", None)):
            return []
        whole = item.to_dict(mode="json", warnings=False)
        return [ProviderDataChunk(data=reasoning_data(self._request.prompt.model, whole))]

    # ----------------------------------------------------------------------------- ends

    def _complete(self, event: Any) -> list[Chunk]:
        response = self._count_tokens(event)
        message = "".join(self._refusal) or _refusal_of(response)
        if message:
            raise refusal_error(message, is_filtered=False)
        for key, (call_id, _) in self._calls.items():
            if key not in self._broken_calls:
                message = f"The input of tool call {call_id!r} did not come whole."
                raise StreamCut(message) if self._upstream is None else UpstreamLost(message)
        has_calls = self._has_calls or any(_is_call(item) for item in _output(response))
        end = self._end("tool_use" if has_calls else "end_turn")
        return [*self._broken_calls.values(), *end]

    def _cut(self, event: Any) -> list[Chunk]:
        response = self._count_tokens(event)
        reason = _string(getattr(getattr(response, "incomplete_details", None), "reason", None))
        refusal = "".join(self._refusal) or _refusal_of(response)
        if refusal or reason == "content_filter":
            raise refusal_error(refusal, is_filtered=reason == "content_filter")
        return self._end("max_tokens" if reason in ("", _CUT_BY_LENGTH) else reason)

    def _count_tokens(self, event: Any) -> Any:
        """Take the tokens of an ended response; returns the response."""
        response = getattr(event, "response", None)
        usage = getattr(response, "usage", None)
        input_tokens, output_tokens = (
            getattr(usage, "input_tokens", None),
            getattr(usage, "output_tokens", None),
        )
        tokens = count(input_tokens, output_tokens, getattr(usage, "input_tokens_details", None))
        if tokens:
            self._usage = tokens
            self.usage = UsageChunk(model=self._request.prompt.model, usage=tokens)
        return response

    def _end(self, stop_reason: str) -> list[Chunk]:
        usage, prompt = self._usage, self._request.prompt
        if stop_reason == "max_tokens" and is_context_full(usage, prompt, self._model):
            stop_reason = "model_context_window_exceeded"
        self.is_ended = True
        return [EndChunk(stop_reason=stop_reason, model=prompt.model, usage=usage)]

    def _fail(self, event: Any) -> list[Chunk]:
        self._count_tokens(event)
        error = event.to_dict(mode="json", warnings=False)
        if "response" in error:
            error = error["response"].get("error") or {}
        raise failures.from_stream(error, self._request)

    def _note_cancel(self, event: Any) -> list[Chunk]:
        self._count_tokens(event)
        self.has_stopped = True
        raise StreamCut(f"{self._request.endpoint.title} cancelled the answer.")


def _output(response: Any) -> list[Any]:
    output = getattr(response, "output", None)
    return output if isinstance(output, list) else []


def _is_call(item: Any) -> bool:
    return getattr(item, "type", None) == "function_call"


def _refusal_of(response: Any) -> str:
    """Return the refusal in a whole response; its deltas may lie before the cursor."""
    parts = [part for item in _output(response) for part in getattr(item, "content", None) or ()]
    return "".join(_string(getattr(part, "refusal", None)) for part in parts)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
