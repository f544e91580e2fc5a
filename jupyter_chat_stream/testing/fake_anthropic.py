"""The fake Claude API: sends scripted answers as events of the Messages API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import answers
from .answers import Answer
from .claude_content import MAX_BODY_BYTES
from .fake_server import FakeServer, Piece, Request
from .tool_content import wrongs_of_messages

_KINDS = {"content_block_delta": "chunk", "message_delta": "ending", "message_stop": "last"}


class FakeAnthropic(FakeServer):
    """The fake Claude API; ``url`` is the value for ANTHROPIC_BASE_URL."""

    path = "/v1/messages"

    def pieces(self, answer: Answer, request: Request) -> Iterator[Piece]:
        for event in answers.stream_events(answer, request.body, request.number):
            kind: Any = _KINDS.get(event["type"], "other")
            yield Piece(data=answers.to_sse(event), kind=kind)

    def refusal_of(self, request: Request) -> Answer | None:
        if request.size_bytes > MAX_BODY_BYTES:
            return answers.refuse(413, "request_too_large", "Request exceeds the maximum size")
        refusal = answers.refusal_of(request.body, has_key=request.has_key)
        return refusal or answers.refuse_first(wrongs_of_messages(request.body))

    def error_of(self, type_: str, message: str) -> Any:
        return answers.error_body(type_, message)
