"""Every error of the package, as one tree.

Each class has a stable ``code`` (on the wire, in logs, in the docs) and the HTTP ``status`` of its
response. An error carries facts. Its message names the problem, the thing concerned and the next
step, and never holds a prompt, an answer or a key.

::

    ChatStreamError
     ├─ InvalidInput 400 ─ ContentTooLarge 413 ─ ToolOutputTooLarge, WrongCall
     ├─ NotFound 404 ─ ThreadNotFound, RunNotFound, MessageNotFound, ScheduleNotFound,
     │                   EndpointNotFound, NotebookNotFound, ToolNotFound, ToolCallNotFound,
     │                   ConsentNotFound, FileNotReadable, BuildNotFound
     ├─ Forbidden 403 ─ KeyPageOff
     ├─ Conflict 409 ─ RunNotEnded, RunBegun, RunRefused, RequestNotOpen, CursorAhead,
     │                   IdempotencyMismatch, TooManySchedules, TooManyLater, KeyElsewhere,
     │                   KeyNotKept, ToolCallNotOpen, ConsentNeeded, TooManyBuilds
     ├─ Compacted 410
     ├─ LimitReached 429
     ├─ StaleAttempt            (internal: a fenced attempt tried to write, L5)
     ├─ FoldError               (internal: no writer of this package can have written this log)
     │   └─ DamagedRow 500      (names the row that cannot be read)
     ├─ StoreError 503 ─ DatabaseUnreadable, DatabaseForeign, DatabaseTooNew, DatabaseBusy,
     │                     DatabaseUnreachable, DatabaseTooOld, DatabaseOnOtherHost, DatabaseGone,
     │                     DataFolderRefused
     ├─ ServerUnavailable 503 ─ VersionMismatch   (the kernel's side)
     ├─ McpServerUnavailable 503
     ├─ ScratchKernelFailed     (told to the model: a cell could not be tried)
     ├─ RunFailed               (the kernel's side: see `kernel/failure.py`)
     ├─ see `attachments.py`: one class per way to refuse an attachment
     └─ ProviderError ─ see `providers.py`: one class per way a provider fails
"""

# ruff: noqa: F403  each name stands once: at its class

from .attachments import *
from .ours import *
from .providers import *
from .tools import *
