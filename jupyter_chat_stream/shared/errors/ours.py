"""The errors of commands, the log, the store and the kernel's side."""

from __future__ import annotations

from typing import Any

from ..records import WireError


class ChatStreamError(Exception):
    """The root of the tree."""

    code = "error"
    status = 500

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    def to_wire(self) -> WireError:
        """Return the ``error`` object of an HTTP response or a socket frame."""
        return {**self.facts, "code": self.code, "message": self.message}


class InvalidInput(ChatStreamError):
    """The request or the argument is not valid."""

    code = "invalid_input"
    status = 400


class ContentTooLarge(InvalidInput):
    """The content is larger than its limit."""

    code = "content_too_large"
    status = 413


class WrongCall(InvalidInput, TypeError):
    """A method was called with an option or a value that it does not take (the kernel's side)."""

    code = "wrong_call"


class NotFound(ChatStreamError):
    """There is nothing of that name, or it belongs to another user."""

    code = "not_found"
    status = 404


class ThreadNotFound(NotFound):
    code = "thread_not_found"

    def __init__(self, thread_id: str) -> None:
        super().__init__(
            f"There is no thread {thread_id!r} on this server, or it is not yours. "
            "List yours with GET threads.",
            thread_id=thread_id,
        )


class RunNotFound(NotFound):
    code = "run_not_found"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"There is no run {run_id!r} on this server, or it is not yours. "
            "List a thread's runs with GET threads/{id}/runs.",
            run_id=run_id,
        )


class MessageNotFound(NotFound):
    code = "message_not_found"

    def __init__(self, message_id: str) -> None:
        super().__init__(
            f"There is no message {message_id!r} in this thread.", message_id=message_id
        )


class ScheduleNotFound(NotFound):
    code = "schedule_not_found"

    def __init__(self, schedule_id: str) -> None:
        super().__init__(
            f"There is no schedule {schedule_id!r} on this server, or it is not yours. "
            "List yours with GET schedules.",
            schedule_id=schedule_id,
        )


class NotebookNotFound(NotFound):
    code = "notebook_not_found"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"This server has no notebook {path!r}, or you may not read it. Name it by its path "
            "below the server's root, as the file browser shows it.",
            notebook=path,
        )


class EndpointNotFound(NotFound):
    code = "endpoint_not_found"

    def __init__(self, names: str) -> None:
        super().__init__(
            f"This server has no endpoint of that name, only: {names}. GET models lists them."
        )


class Forbidden(ChatStreamError):
    """The user may not do this."""

    code = "forbidden"
    status = 403


class KeyPageOff(Forbidden):
    """The server's settings do not let people set keys on the page."""

    code = "key_page_off"

    def __init__(self) -> None:
        super().__init__(
            "Keys cannot be set on the page here (setting 'keys_from_page'). Ask whoever runs the "
            "server for a key, or choose a model that is ready."
        )


class Conflict(ChatStreamError):
    """The request is well formed, but the present state does not allow it."""

    code = "conflict"
    status = 409


class RunNotEnded(Conflict):
    code = "run_not_ended"

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(
            f"Run {run_id!r} is {status}; wait for its end or cancel it first.",
            run_id=run_id,
            run_status=status,
        )


class RunBegun(Conflict):
    """The message of a run that has begun, or that has ended, stays as it is."""

    code = "run_begun"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"Run {run_id!r} has begun or ended, or its message has another answer: the message "
            "stays as it is. Stop the run, or send another message.",
            run_id=run_id,
        )


class RunRefused(Conflict):
    """The model has declined to answer, so there is nothing to continue."""

    code = "run_refused"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"The model declined to answer in run {run_id!r}: there is nothing to continue. "
            "Ask in other words, or retry.",
            run_id=run_id,
        )


class RequestNotOpen(Conflict):
    """The question has a reply or has expired, or its run has ended."""

    code = "request_not_open"


class KeyElsewhere(Conflict):
    """The key of this endpoint does not come from a file that the page may write."""

    code = "key_elsewhere"


class KeyNotKept(Conflict):
    """The key file cannot be written or removed."""

    code = "key_not_kept"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The key file {path!r} cannot be changed ({reason}). Make its folder one that the "
            "user of the Jupyter server can write to, then try again."
        )


class TooManySchedules(Conflict):
    code = "too_many_schedules"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} schedules, which is the limit. Delete one first.", most=limit
        )


class TooManyLater(Conflict):
    """A user has the maximum of messages for later."""

    code = "too_many_later"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You have {limit} messages for later, which is the limit. Cancel one, or send this "
            "when one has been delivered.",
            most=limit,
        )


class IdempotencyMismatch(Conflict):
    code = "idempotency_mismatch"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The key {key!r} belongs to another message. "
            "Choose a new Idempotency-Key, or send the same body with this one.",
            key=key,
        )


class CursorAhead(Conflict):
    code = "cursor_ahead"

    def __init__(self, thread_id: str, after: int, seq: int) -> None:
        super().__init__(
            f"Thread {thread_id!r} ends at seq {seq}, before the cursor {after}. "
            "Drop your copy of the thread and follow again from 0.",
            thread_id=thread_id,
            after=after,
            seq=seq,
        )


class Compacted(ChatStreamError):
    """Compaction removed the requested events; their messages remain."""

    code = "compacted"
    status = 410

    def __init__(self, thread_id: str, after: int) -> None:
        super().__init__(
            f"Some events of thread {thread_id!r} after {after} were compacted. "
            "Ask without raw=1 to get a snapshot.",
            thread_id=thread_id,
            after=after,
        )


class LimitReached(ChatStreamError):
    """A limit is reached; ``retry_after_s`` is the time to wait."""

    code = "limit_reached"
    status = 429


class StaleAttempt(ChatStreamError):
    """Another attempt or the end of the run came before this write (L5)."""

    code = "stale_attempt"
    status = 409

    def __init__(self, run_id: str, attempt: int) -> None:
        super().__init__(
            f"Attempt {attempt} of run {run_id!r} may no longer write.",
            run_id=run_id,
            attempt=attempt,
        )


class FoldError(ChatStreamError):
    """An event does not fit the state before it: the log is damaged. Run ``check``."""

    code = "fold_error"


class DamagedRow(FoldError):
    """A row holds a value that no writer of this package has written; it is unchanged."""

    code = "damaged_row"

    def __init__(self, thread_id: str, table: str, row: str, reason: str) -> None:
        super().__init__(
            f"A row of thread {thread_id!r} is damaged: {table} {row!r} ({reason}). The rest of "
            "the thread can be read and exported. `jupyter chat-stream check` lists all damage: "
            "restore the row from a backup, or delete the thread.",
            thread_id=thread_id,
            table=table,
            row=row,
        )
        self.reason = reason


class StoreError(ChatStreamError):
    """The database cannot be used; its bytes are unchanged."""

    code = "store_error"
    status = 503


class DatabaseUnreadable(StoreError):
    code = "database_unreadable"


class DatabaseForeign(StoreError):
    code = "database_foreign"


class DatabaseTooNew(StoreError):
    code = "database_too_new"


class DatabaseTooOld(StoreError):
    code = "database_too_old"


class DatabaseBusy(StoreError):
    code = "database_busy"


class DatabaseOnOtherHost(StoreError):
    code = "database_on_other_host"

    def __init__(self, folder: str, host: str) -> None:
        super().__init__(
            f"The database in {folder!r} lies on a network disk and is in use by host {host!r}; "
            "only one host at a time may have it. End Jupyter there, or name a Postgres for many "
            "hosts, or a file on a local disk, with --ChatStream.database_url.",
            host=host,
        )


class DatabaseGone(StoreError):
    """The database was removed, replaced or cut while it was in use."""

    code = "database_gone"


class DataFolderRefused(StoreError):
    """The folder of the chat cannot be created or written to."""

    code = "data_folder_refused"

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(
            f"The chat's folder {folder!r} cannot be used: {reason}. Make it a folder that you can "
            "write to, with free space, or name another data directory with JUPYTER_DATA_DIR; then "
            "try again.",
            path=folder,
        )


class DatabaseUnreachable(StoreError):
    """The database has been unreachable for longer than the caller waits."""

    code = "database_unreachable"

    def __init__(self, message: str, *, retry_after_s: float = 5.0, **facts: Any) -> None:
        super().__init__(message, retry_after_s=retry_after_s, **facts)


class ServerUnavailable(ChatStreamError):
    """The kernel finds no chat server."""

    code = "server_unavailable"
    status = 503


class VersionMismatch(ServerUnavailable):
    code = "version_mismatch"
