"""Tools: their calls, offers and consents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ...shared.records import ThreadRecord
from ...shared.tool_records import AllowedBy, ToolRecord
from ..chat import builds, call_review, calls_in_place, consents, threads, tool_calls, tool_offers
from ..log import upstreams
from ..log.transaction import RunRef, ThreadRef
from ..overview import count_calls
from .verbs import Group, reads, second, writes


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """A thread, the tools that executors offer in it, and the standing consents to them."""

    thread: ThreadRecord
    offers: Sequence[ToolRecord]


@dataclass(frozen=True, kw_only=True)
class ConsentQuestion:
    """A tool and operation, as defined now, about whose standing consent somebody asks."""

    tool: str
    operation: str
    digest: str


def _context(conn: Connection, owner: str, thread_id: str, now_ms: int) -> ToolContext:
    """Read what a thread's tools depend on."""
    ref, thread = threads.find_record(conn, owner, thread_id)
    return ToolContext(thread=thread, offers=tool_offers.list_offers(conn, ref, now_ms))


def _find_consents(
    conn: Connection, owner: str, thread_id: str, questions: Sequence[ConsentQuestion]
) -> list[AllowedBy | None]:
    """Read how a person's standing consents cover each of some calls."""
    thread = threads.find_thread(conn, owner, thread_id)
    return [
        consents.find_consent(
            conn,
            owner,
            thread,
            tool=question.tool,
            operation=question.operation,
            digest=question.digest,
        )
        for question in questions
    ]


def _of_run(run: RunRef, *_: object, **__: object) -> int:
    return run.thread.pk


def _of_thread(thread: ThreadRef, *_: object, **__: object) -> int:
    return thread.pk


class StoredTools(Group):
    """Tool calls, offers and consents of a database."""

    context = reads(_context)
    find_consents = reads(_find_consents)
    count_open = reads(count_calls)
    review = writes(call_review.review_calls, place=_of_run)
    pause = writes(calls_in_place.pause_call, place=_of_run)
    write_in_place = writes(calls_in_place.write_in_place, place=_of_run)
    end_in_place = writes(calls_in_place.end_in_place, place=_of_run)
    start_build = writes(builds.start_build, place=_of_run)
    wait_for_build = writes(builds.wait_for_build, place=_of_run)
    cancel_build = writes(builds.cancel_build, place=_of_thread)
    find_build = reads(builds.find_build)
    keep = writes(upstreams.write_tools, place=_of_run)
    claim = writes(tool_calls.claim_call, place=second)
    write_output = writes(tool_calls.write_output, place=second)
    give_result = writes(tool_calls.give_result, place=second)
    offer = writes(tool_offers.put_offers, place=second)
    renew_offers = writes(tool_offers.renew_offers)
    end_offers = writes(tool_offers.end_offers)
    find_offers = reads(tool_offers.find_offers)
    put_consent = writes(consents.put_consent)
    delete_consent = writes(consents.delete_consent)
    list_consents = reads(consents.list_consents)
