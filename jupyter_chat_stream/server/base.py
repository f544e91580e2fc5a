"""The base of every handler: identity, authorization, and responses in JSON.

``requires(action)`` wraps each method: it checks the permission, waits for the service and checks
the id in the address before it calls the method. A handler reads a body as it arrives, up to
``MAX_BODY_BYTES``. An error response waits for the end of the body: a client whose connection is
closed over unread bytes would lose the response. ``attachments`` handles the bodies that are
larger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_core.utils import ensure_async
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.web import HTTPError, stream_request_body

from ..shared.config import MAX_ATTACHMENT_BYTES
from ..shared.errors import ContentTooLarge, Forbidden, NotFound
from ..shared.events import dumps
from . import queries
from .host import ServiceHost
from .identity import is_own_user, owner_of
from .refusals import ErrorResponse, StartFailed, Unauthenticated, error_response

if TYPE_CHECKING:
    from ..service import Service

AUTH_RESOURCE = "chat-stream"
SETTING = "chat_stream_host"

# 1 MB of content takes up to 3 MB if a client escapes every character beyond ASCII.
MAX_BODY_BYTES = 4 * 1024 * 1024
# A longer body is not read to its end; its client may see a reset of the connection.
MAX_DRAIN_BYTES = MAX_ATTACHMENT_BYTES

Result = TypeVar("Result")
Method = Callable[..., Coroutine[Any, Any, None]]


class ClientGone(Exception):
    """The client has closed the connection before its response."""


def requires(action: str, missing: type[NotFound] | None = None) -> Callable[[Method], Method]:
    """Run a handler's method only for a user who may take this action (read, write, execute).

    Args:
        missing: the error if the address's first argument cannot be an id. None: it is no id.
    """

    def decorate(method: Method) -> Method:
        @wraps(method)
        async def admitted(self: ChatMixin, *args: str) -> None:
            await self.admit(action)
            try:
                if missing is not None:
                    queries.an_id(args[0], missing)
                await method(self, *args)
            except ClientGone:
                return

        # Jupyter's mark of a method that checks the authentication itself.
        admitted.__dict__["__allow_unauthenticated"] = False
        return admitted

    return decorate


class ChatMixin(JupyterHandler):
    """Identity, authorisation, the service and JSON errors, for HTTP and WebSocket alike."""

    auth_resource = AUTH_RESOURCE
    service: Service
    _jupyter_refusal: str | None = None  # the reason of Jupyter's own refusal
    _is_host_allowed = True

    @property
    def host(self) -> ServiceHost:
        return self.settings[SETTING]

    @property
    def identity_provider(self) -> IdentityProvider:
        """The server's provider, or the one for the connection file's token."""
        provider = super().identity_provider
        return self.host.kernel_identity(self, provider) or provider

    @property
    def owner(self) -> str:
        return owner_of(self.identity_provider, self.current_user)

    @property
    def is_own_user(self) -> bool:
        """Whether the request comes from the user whose server this is, and not from a kernel."""
        return is_own_user(self.identity_provider, self.current_user)

    def check_host(self) -> bool:
        self._is_host_allowed = super().check_host()
        if not self._is_host_allowed:
            self._jupyter_refusal = (
                "The Host header names another machine (ServerApp.allow_remote_access)."
            )
        return self._is_host_allowed

    def note_refusal(self, error: HTTPError) -> None:
        """Remember Jupyter's refusal of this request until the body has been read."""
        if self._jupyter_refusal is None:
            other_origin = "It comes from another origin (ServerApp.allow_origin)."
            self._jupyter_refusal = other_origin if error.status_code == 404 else error.log_message
            self._jupyter_refusal = self._jupyter_refusal or "Jupyter refuses it."

    async def admit(self, action: str) -> None:
        """Check that the user may take this action, and wait for the service.

        Raises:
            Unauthenticated: the request carries no valid token.
            Forbidden: the user may not take the action.
            ChatStreamError: the service could not start.
        """
        is_known = getattr(self, "_jupyter_current_user", None) is not None
        if self._jupyter_refusal is not None and (is_known or not self._is_host_allowed):
            raise Forbidden(f"This request is not allowed. {self._jupyter_refusal}")
        if not is_known:
            raise Unauthenticated
        permission = self.authorizer.is_authorized(
            self, self.current_user, action, self.auth_resource
        )
        if not await ensure_async(permission):
            raise Forbidden(
                f"You may not {action} on {self.auth_resource} here; "
                "this server's administrator decides.",
                action=action,
            )
        self.service = await self.host.service()

    def refuse(self, error: BaseException | None, status: int) -> ErrorResponse:
        """Return the response to an error; set the status and the headers of this response."""
        response = error_response(error, status=status, log=self.log)
        self.set_status(response.status)
        for name, value in response.headers.items():
            self.set_header(name, value)
        if response.status == 405:
            self.set_header("Allow", ", ".join(self._methods()))
        return response

    def _methods(self) -> list[str]:
        unimplemented = JupyterHandler._unimplemented_method
        names = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        return [name for name in names if getattr(type(self), name.lower()) != unimplemented]

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Respond to an error with JSON."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        response = self.refuse(error, status_code)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "application/json")
        self.finish(dumps({"error": response.error}))

    def log_exception(self, *exc_info: Any) -> None:
        """Log nothing: ``unforeseen`` logs the error, without its message."""

    def _log(self) -> None:
        # A query holds search texts and tokens.
        self.request.uri = self.request.path
        super()._log()


@stream_request_body
class ChatHandler(ChatMixin, APIHandler):
    """One REST address."""

    def initialize(self) -> None:
        self._body = bytearray()
        self._body_bytes = 0
        self._works: set[asyncio.Future[Any]] = set()

    async def prepare(self) -> None:  # type: ignore[override]
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > MAX_DRAIN_BYTES:
            raise self._too_large(int(length))
        try:
            await super().prepare()
        except HTTPError as error:
            self.note_refusal(error)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Keep a chunk of the body of an authenticated request, up to ``MAX_BODY_BYTES``."""
        self._body_bytes += len(chunk)
        is_known = getattr(self, "_jupyter_current_user", None) is not None
        if self._body_bytes > MAX_BODY_BYTES or not is_known:
            self._body.clear()
        else:
            self._body += chunk
        return None

    def body(self) -> bytes:
        """Return the body of the request; raises ContentTooLarge above ``MAX_BODY_BYTES``."""
        if self._body_bytes > MAX_BODY_BYTES:
            raise self._too_large(self._body_bytes)
        return bytes(self._body)

    def check_no_body(self) -> None:
        """Check that the request has no body, or an empty object; raises InvalidInput."""
        from . import bodies

        bodies.parse(bodies.Nothing, self.body())

    def _too_large(self, size: int) -> ContentTooLarge:
        return ContentTooLarge(
            f"The body has {size} bytes; at most {MAX_BODY_BYTES} are taken.",
            max_bytes=MAX_BODY_BYTES,
        )

    async def unless_gone(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Await long work; cancel it when the client disconnects or the server stops.

        Raises:
            ClientGone: the client has disconnected.
            StartFailed: the server is stopping.
        """
        task = asyncio.ensure_future(work)
        self._works.add(task)
        self.host.hold(task)
        try:
            await asyncio.wait({task})
        finally:
            self._works.discard(task)
            task.cancel()
        if not task.cancelled():
            return task.result()
        if self.is_gone:
            raise ClientGone
        raise StartFailed("The server is stopping.")

    is_gone = False

    def on_connection_close(self) -> None:
        """Cancel this request's waiting; runs go on (L8)."""
        self.is_gone = True
        for task in self._works:
            task.cancel()
        super().on_connection_close()

    def respond(self, value: Any, status: int = 200) -> None:
        """Respond with a value as JSON."""
        self.respond_text(dumps(value), status)

    def respond_text(self, text: str, status: int = 200) -> None:
        """Respond with a text that is JSON already."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(text)

    def respond_nothing(self) -> None:
        """Respond with 204: done, without a body."""
        self.set_status(204)
        self.set_header("Cache-Control", "no-store")
        self.finish()

    def compute_etag(self) -> None:
        """Send no ETag, because no response may be cached."""
