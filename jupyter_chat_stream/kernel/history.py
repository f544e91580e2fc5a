"""The messages and runs that a follower does not keep: they are fetched page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..shared.records import HistoryPage, MessageRecord, RunRecord
from .follower import KEPT_MESSAGES, Follower
from .link import current, path_of
from .messages import Message, Messages
from .paged_list import PagedList
from .run import Run

PAGE = KEPT_MESSAGES


def messages(follower: Follower) -> Messages:
    """Return all messages of a thread; older ones are fetched when they are read."""
    records = follower.messages()
    if not follower.has_earlier or not records:
        return Messages(map(Message.from_wire, records))
    pages = MessagePages(follower.thread_id, records)
    return Messages(
        map(Message.from_wire, pages.newest),
        lambda: [Message.from_wire(wire) for wire in pages.earlier()["messages"]],
    )


def runs(follower: Follower, unseen: Callable[[], list[Run]]) -> list[Run]:
    """Return all runs of a thread; older ones are fetched when they are read.

    Args:
        unseen: returns the runs whose events have not come yet.
    """
    records = follower.runs()
    pairs = [(run, follower.message(run["message_id"])) for run in records]
    newest = current().run(_make_runs(follower, pairs)) + unseen()
    if not follower.has_earlier or not records:
        return newest
    pages = MessagePages(follower.thread_id, follower.messages())
    newest_ids = {run.id for run in newest}

    def earlier() -> list[Run]:
        while True:
            page = pages.earlier()
            by_id = {wire["id"]: wire for wire in page["messages"]}
            page_records = [run for run in page["runs"] if run["message_id"] in by_id]
            page_records = [run for run in page_records if run["id"] not in newest_ids]
            if page_records or not page["messages"]:
                pairs = [(run, by_id[run["message_id"]]) for run in page_records]
                return current().run(_make_runs(follower, pairs))

    return PagedList(newest, earlier)


async def open_runs(thread_id: str) -> list[str]:
    """Fetch the ids of the runs that have not ended, oldest first."""
    run_ids: list[str] = []
    before = ""
    while True:
        path = f"threads/{path_of(thread_id)}/runs?open=1&limit={PAGE}{before}"
        page = (await current().request("GET", path))["runs"]
        run_ids = [*(run["id"] for run in page), *run_ids]
        if len(page) < PAGE:
            return run_ids
        before = f"&before={path_of(page[0]['id'])}"


async def _make_runs(
    follower: Follower, pairs: Iterable[tuple[RunRecord, MessageRecord | None]]
) -> list[Run]:
    """Make a `Run` of each run of the wire, with its reply."""
    link = current()
    return [
        Run(await link.follow(follower.thread_id, run["message_id"]), run, reply)
        for run, reply in pairs
    ]


class MessagePages:
    """The pages before the newest messages, the newest page first.

    Only the newest ``PAGE`` messages of a follower are sure to be without gaps. Of the older ones
    it keeps those that are open, and those whose run some code holds.
    """

    def __init__(self, thread_id: str, messages: list[MessageRecord]) -> None:
        self._thread_id = thread_id
        self.newest = messages[-PAGE:]
        self._before: str | None = self.newest[0]["id"]

    def earlier(self) -> HistoryPage:
        """Fetch the page before the last; it is empty after the first message."""
        if self._before is None:
            return {"messages": [], "runs": []}
        path = f"threads/{path_of(self._thread_id)}/messages"
        page: HistoryPage = current().run(
            current().request("GET", f"{path}?limit={PAGE}&before={path_of(self._before)}")
        )
        self._before = page["messages"][0]["id"] if page["messages"] else None
        return page
