"""The store's front: everything that other folders may do with the database, as named verbs.

``ChatStore`` is an open database; its groups (``threads``, ``runs``, ...) hold the verbs. Each
verb is one transaction. It takes and returns ids, references and records: no connection, no
transaction and no type of SQLAlchemy. Other folders import from this module alone (a contract in
``pyproject.toml``; decision 12 has the reasons).
"""

from __future__ import annotations

from typing import Any

from ...shared.config import ChatStream
from ..chat.attachments import MAX_PER_MESSAGE, PIECE_BYTES, StoredAttachment, UploadRef
from ..chat.builds import BuildState, NewBuild
from ..chat.call_review import WAITS_FOR_TOOLS, CallPlan
from ..chat.calls_in_place import CallInPlace
from ..chat.claims import LAST_CHANCE_S, Claimed
from ..chat.commands import HEAD, Sender, SendRequest, check_content
from ..chat.cron import find_zone
from ..chat.due import Due
from ..chat.holding import MAX_PER_RESULT, MAX_RESULT_FILES_BYTES
from ..chat.jobs import QUEUE, TASK
from ..chat.leases import MISSED, LeaseConnection, LeaseReader
from ..chat.limits import Limits, Over
from ..chat.listing import ListFilter
from ..chat.runs import AS_BEFORE, MOST_LISTED, TAKEN_OVER, RetryRequest
from ..chat.schedules import MAX_SCHEDULES, DueSchedule, NewSchedule
from ..chat.tool_calls import MAX_OUTPUT_BYTES, ClaimedCall
from ..chat.usage import GroupPage, UsageRange, UsedContext, place_of
from ..chat.waits import MAX_AHEAD_MS
from ..exporting import CompactionRecord, MessageEntry, WholeThread
from ..log.builds import BUILD
from ..log.operations import Append, Commit
from ..log.reading import Page, Replay, Snapshot
from ..log.transaction import RunRef, ThreadRef
from ..log.upstreams import ProviderData, UpstreamPlace
from ..overview import Holder
from ..retention.cleanup import Counts, Plan, Policy
from ..retention.disk_space import rebuild
from ..retention.housekeeping import Housekeeping
from ..search.queries import MAX_QUERY
from ..sql.database import PAGE_BYTES
from ..sql.failures import AWAY_BACKOFF, Outage
from ..sql.urls import parse_url
from ..store import Store, new_id, system_now_ms
from .attachments import StoredAttachments
from .claims import StoredClaims
from .events import StoredEvents
from .jobs import JobQueue
from .runs import StoredRuns
from .schedules import StoredSchedules
from .threads import StoredThreads
from .tools import ConsentQuestion, StoredTools, ToolContext
from .upkeep import Upkeep
from .usage import StoredUsage

__all__ = [
    "AS_BEFORE",
    "AWAY_BACKOFF",
    "BUILD",
    "HEAD",
    "LAST_CHANCE_S",
    "MAX_AHEAD_MS",
    "MAX_OUTPUT_BYTES",
    "MAX_PER_MESSAGE",
    "MAX_PER_RESULT",
    "MAX_QUERY",
    "MAX_RESULT_FILES_BYTES",
    "MAX_SCHEDULES",
    "MISSED",
    "MOST_LISTED",
    "PAGE_BYTES",
    "PIECE_BYTES",
    "QUEUE",
    "TAKEN_OVER",
    "TASK",
    "WAITS_FOR_TOOLS",
    "Append",
    "BuildState",
    "CallInPlace",
    "CallPlan",
    "ChatStore",
    "Claimed",
    "ClaimedCall",
    "Commit",
    "CompactionRecord",
    "ConsentQuestion",
    "Counts",
    "Due",
    "DueSchedule",
    "GroupPage",
    "Holder",
    "Housekeeping",
    "LeaseConnection",
    "LeaseReader",
    "Limits",
    "ListFilter",
    "MessageEntry",
    "NewBuild",
    "NewSchedule",
    "Outage",
    "Over",
    "Page",
    "Plan",
    "Policy",
    "ProviderData",
    "Replay",
    "RetryRequest",
    "RunRef",
    "SendRequest",
    "Sender",
    "Snapshot",
    "StoredAttachment",
    "ThreadRef",
    "ToolContext",
    "UploadRef",
    "UpstreamPlace",
    "UsageRange",
    "UsedContext",
    "WholeThread",
    "check_content",
    "find_zone",
    "new_id",
    "parse_url",
    "place_of",
    "rebuild",
    "system_now_ms",
]


class ChatStore:
    """An open database, as every other folder holds it. Only the store itself uses ``core``."""

    def __init__(self, core: Store) -> None:
        self.core = core
        self.threads = StoredThreads(core)
        self.runs = StoredRuns(core)
        self.claims = StoredClaims(core)
        self.schedules = StoredSchedules(core)
        self.attachments = StoredAttachments(core)
        self.events = StoredEvents(core)
        self.upkeep = Upkeep(core)
        self.usage = StoredUsage(core)
        self.tools = StoredTools(core)
        # Members of the core that other folders may use: they have no type of SQL.
        self.now_ms = core.now_ms
        self.new_id = core.new_id
        self.attach = core.attach
        self.listen = core.listen
        self.listen_to_marks = core.listen_to_marks
        self.observe = core.observe
        self.on_foreign = core.on_foreign
        self.has_changed = core.has_changed
        self.close = core.close
        self.describe = core.database.describe
        self.is_sqlite = core.database.is_sqlite
        self.folder = core.database.folder
        self.path = core.database.path

    @classmethod
    def open(cls, url: str, **options: Any) -> ChatStore:
        """Open the database at a URL, with the options of ``Store.open``. Blocks."""
        return cls(Store.open(url, **options))

    # ------------------------------------------------------------------ engines and housekeeping

    def job_queue(self) -> JobQueue:
        """Return the queue that calls the workers on this database."""
        return JobQueue(self.core)

    def housekeeping(self, config: ChatStream) -> Housekeeping:
        """Return this process's housekeeping; the caller starts and stops it."""
        return Housekeeping(self.core, config)

    # ------------------------------------------------------------------ facts about the database

    @property
    def outages(self) -> int:
        """How often the database has gone away since it was opened."""
        return self.core.database.outage.count

    @property
    def queued(self) -> int:
        """About how many operations wait for the next commit."""
        return self.core.queued

    @property
    def notices_sent(self) -> int:
        """How many notices of commits this process has sent."""
        return self.core.notices_sent

    @property
    def notices_received(self) -> int:
        """How many notices of commits this process has received."""
        return self.core.notices_received
