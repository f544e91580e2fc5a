"""A fake server of the Messages API other than Anthropic's, such as a local server or gateway."""

from __future__ import annotations

from collections.abc import Sequence

from ..shared.json_objects import JsonView
from . import answers
from .answers import Answer
from .fake_anthropic import FakeAnthropic
from .fake_server import Request, Rule
from .http_server import HttpConnection, HttpRequest
from .tool_content import wrongs_of_messages

DEFAULT_MODEL = "tiny"


class FakeMessages(FakeAnthropic):
    """The fake server; ``url`` is the value for the endpoint's ``base_url``.

    Args:
        queue: answers for the next requests, in order; `add` appends more.
        default: the answer when the queue is empty, or a function that makes it.
        port: 0 for a free one.
        models: the list of ``GET /v1/models``, as names or whole entries; a message for another
            model is refused.
        pages: JSON by path, sent instead of this class's own answer.
        needs_key: whether a request without a key is refused.

    Attributes:
        other_requests: the requests that do not ask for a model's answer.
        other_paths: the paths of these requests, with the query.
    """

    def __init__(
        self,
        *queue: Answer,
        default: Answer | Rule | None = None,
        port: int = 0,
        models: Sequence[str | JsonView] = (DEFAULT_MODEL,),
        pages: JsonView | None = None,
        needs_key: bool = False,
    ) -> None:
        super().__init__(*queue, default=default, port=port)
        self.models = [{"id": entry} if isinstance(entry, str) else entry for entry in models]
        self.pages = {"/v1/models": {"data": self.models, "has_more": False}, **(pages or {})}
        self.needs_key = needs_key
        self.other_requests: list[Request] = []
        self.other_paths: list[str] = []

    def refusal_of(self, request: Request) -> Answer | None:
        if self.needs_key and not request.has_key:
            return answers.refuse(401, "authentication_error", "Invalid API Key")
        refusal = answers.refusal_elsewhere(request.body, [entry["id"] for entry in self.models])
        return refusal or answers.refuse_first(wrongs_of_messages(request.body))

    async def answer_other(self, http: HttpRequest, connection: HttpConnection) -> None:
        """List the models, or answer with a page."""
        request = Request(len(self.other_requests) + 1, http, http.json())
        self.other_requests.append(request)
        self.other_paths.append(http.path)
        if self.needs_key and not request.has_key:
            error = self.error_of("authentication_error", "Invalid API Key")
            await connection.send_json(401, error)
        else:
            await super().answer_other(http, connection)
