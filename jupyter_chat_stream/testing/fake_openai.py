"""A fake server of OpenAI's dialects, like hosted and local servers.

Like real servers, it also sends comments that keep the connection open, empty deltas, unknown
fields, and the usage in a separate chunk. It lists its models, and answers other addresses
(``/api/show`` of Ollama, ``/props`` of llama.cpp) as a test defines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..shared.json_objects import JsonView
from . import answers, responses_events
from .answers import Answer, JsonObject
from .fake_responses import FakeResponses
from .fake_server import KEEP_ALIVE, FakeServer, JsonPage, Piece, Request, Rule
from .http_server import HttpConnection, HttpRequest
from .tool_content import wrongs_of_openai

DEFAULT_MODEL = "tiny"
RESPONSES_PATH = "/v1/responses"
DONE = b"data: [DONE]\n\n"


class FakeOpenAI(FakeServer):
    """The fake server.

    Args:
        queue: answers for the next requests, in order; `add` appends more.
        default: the answer when the queue is empty, or a function that makes it.
        port: 0 for a free one.
        models: the list of ``GET /v1/models``, as names or whole entries; a request for another
            model is refused.
        list_answer: the answer to ``GET /v1/models`` instead of the list.
        pages: by path, JSON or a function that makes it from a request's JSON.
        needs_key: whether a request without a key is refused.
        refuses: names of refused arguments; a dot separates an argument and its field.

    Attributes:
        responses: the Responses API: its responses, and the requests to join them.
        base_url: the value for the endpoint's ``base_url``.
        other_requests: method, path and whether there was a key, of requests for no model's answer.
    """

    path = "/v1/chat/completions"

    def __init__(
        self,
        *queue: Answer,
        default: Answer | Rule | None = None,
        port: int = 0,
        models: Sequence[str | Mapping[str, object]] = (DEFAULT_MODEL,),
        list_answer: Answer | None = None,
        pages: Mapping[str, JsonPage] | None = None,
        needs_key: bool = False,
        refuses: Sequence[str] = (),
    ) -> None:
        super().__init__(*queue, default=default, port=port)
        self.models = [_entry(model) for model in models]
        self.list_answer = list_answer
        self.pages = dict(pages or {})
        self.needs_key = needs_key
        self.refuses = refuses
        self.responses = FakeResponses(self)
        self.other_requests: list[tuple[str, str, bool]] = []

    @property
    def base_url(self) -> str:
        """The address of the API, including the base path."""
        return f"{self.url}/v1"

    def is_prompt(self, path: str) -> bool:
        """Whether a POST to this path asks for a model's answer, in either dialect."""
        return path.endswith((self.path, RESPONSES_PATH))

    async def send_stream(
        self,
        answer: Answer,
        request: Request,
        connection: HttpConnection,
        headers: Mapping[str, str],
    ) -> None:
        """Stream an answer in the dialect of its request."""
        if request.path.endswith(RESPONSES_PATH):
            await self.responses.create(answer, request, connection, headers)
        else:
            await super().send_stream(answer, request, connection, headers)

    async def answer_other(self, http: HttpRequest, connection: HttpConnection) -> None:
        """List the models, continue a response, or answer with a page."""
        has_key = "authorization" in http.headers
        path = http.path.split("?")[0]
        self.other_requests.append((http.method, path, has_key))
        if path == "/v1/models":
            await self._list(connection, has_key=has_key)
        elif path.startswith(f"{RESPONSES_PATH}/"):
            await self.responses.answer(http, connection)
        else:
            await super().answer_other(http, connection)

    async def _list(self, connection: HttpConnection, *, has_key: bool) -> None:
        if self.needs_key and not has_key:
            await connection.send_json(401, self.error_of("invalid_api_key", "No key"))
        elif self.list_answer is None:
            await connection.send_json(200, {"object": "list", "data": self.models})
        elif self.list_answer.fault is not None:
            await self.fail(self.list_answer, Request(0, _NOTHING, None), connection)
        else:
            answer = self.list_answer
            await connection.send_json(answer.status, answer.body, answer.headers)

    def pieces(self, answer: Answer, request: Request) -> Iterator[Piece]:
        head = {
            "id": f"chatcmpl-fake-{request.number}",
            "object": "chat.completion.chunk",
            "created": 1_800_000_000,
            "model": request.body.get("model", ""),
            "system_fingerprint": "fp_fake",
            "of_2030": {"nobody": ["knows", "it"]},
        }
        yield Piece(data=KEEP_ALIVE)
        yield _chunk(head, {"role": "assistant", "content": ""})
        for delta in _deltas(answer, request.body):
            yield _chunk(head, delta, kind="chunk")
        reason = answer.stop_reason or ("tool_calls" if answer.tools else "stop")
        if reason != "none":
            yield _chunk(head, {}, finish_reason=reason, kind="ending")
        if (request.body.get("stream_options") or {}).get("include_usage"):
            usage = {**head, "choices": [], "usage": _usage(answer)}
            yield Piece(data=answers.to_sse(usage), kind="ending")
        yield Piece(data=DONE, kind="last")

    def refusal_of(self, request: Request) -> Answer | None:
        body = request.body
        if self.needs_key and not request.has_key:
            return answers.refuse(401, "invalid_api_key", "No key")
        if body.get("model") not in [entry["id"] for entry in self.models]:
            return answers.refuse(404, "model_not_found", f"model {body.get('model')!r} not found")
        for name in self.refuses:
            if _has(body, name):
                return Answer(status=400, body=_unsupported(name))
        is_response = request.path.endswith(RESPONSES_PATH)
        return answers.refuse_first(responses_events.wrongs(body) if is_response else _wrongs(body))

    def error_of(self, type_: str, message: str) -> Any:
        """Return an error object with ``type_`` as type and code."""
        return {"error": {"message": message, "type": type_, "param": None, "code": type_}}


def _has(body: JsonView, name: str) -> bool:
    first, _, rest = name.partition(".")
    return first in body and (not rest or _has(body[first] or {}, rest))


def _unsupported(name: str) -> JsonObject:
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    error = {"message": message, "type": "invalid_request_error", "param": name, "code": None}
    return {"error": error}


_NOTHING = HttpRequest(method="GET", path="", headers={}, body=b"")


def _entry(model: str | Mapping[str, object]) -> dict[str, object]:
    fields = {"id": model} if isinstance(model, str) else model
    return {"object": "model", "created": 1_800_000_000, "owned_by": "fake", **fields}


def _chunk(
    head: Mapping[str, object],
    delta: Mapping[str, object],
    *,
    finish_reason: str | None = None,
    kind: Any = "other",
) -> Piece:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return Piece(data=answers.to_sse({**head, "choices": [choice]}), kind=kind)


def _deltas(answer: Answer, body: JsonObject) -> Iterator[Mapping[str, object]]:
    if answer.deltas:
        yield from answer.deltas
        return
    yield from ({"reasoning_content": piece} for piece in answer.pieces(answer.thinking))
    yield from ({"content": piece} for piece in answer.pieces(answers.rest_of(answer, body)))
    yield from ({"refusal": piece} for piece in answer.pieces(answer.refusal))
    for index, tool in enumerate(answer.tools):
        function = {"name": tool.name, "arguments": ""}
        call = {"index": index, "id": tool.id, "type": "function", "function": function}
        yield {"tool_calls": [call]}
        for piece in answer.pieces("" if tool.json == "{}" else tool.json):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _usage(answer: Answer) -> dict[str, object]:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, **answer.usage}
    return {**usage, "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"]}


def _wrongs(body: JsonObject) -> Iterator[str]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "messages are required"
        return
    if any(message.get("role") == "system" for message in messages[1:]):
        yield "System message must be at the beginning."
    if messages[-1].get("role") not in ("user", "tool"):
        yield "The last message must be the user's."
    texts = [
        message
        for message in messages
        if message.get("role") != "tool" and not message.get("tool_calls")
    ]
    if any(
        isinstance(message["content"], str) and not message["content"].strip() for message in texts
    ):
        yield "A message must not be empty."
    yield from wrongs_of_openai(body)
    if not body.get("stream") and "stream_options" in body:
        yield "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    if not 0 <= body.get("temperature", 0) <= 2:
        yield "temperature must be from 0 to 2"
