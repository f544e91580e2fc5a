"""``gc``: runs the background retention at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets import Bool

from ..shared.config import ChatStream
from ..shared.errors import DatabaseBusy
from .command import CliCommand, no_words, progress_writer

if TYPE_CHECKING:
    from ..store.front import ChatStore, Plan, Policy


class Gc(CliCommand):
    """Removes expired data."""

    name = "jupyter-chat-stream-gc"
    description = (
        "Remove old data at once: the deltas of answers that ended more than "
        "--ChatStream.keep_events_days ago (their messages stay complete), threads without a "
        "change for --ChatStream.retention_days, threads that were deleted a day ago, and "
        "attachments that no message holds any more. Then return the space to the disk, and index "
        "the messages that a search could not find yet. It works "
        "in small steps, so a server may run meanwhile. Servers and workers do the same in the "
        "background."
    )
    examples = (
        "jupyter chat-stream gc --dry-run\njupyter chat-stream gc --ChatStream.keep_events_days=7"
    )
    flags = {  # noqa: RUF012 - traitlets reads it off the class
        **CliCommand.flags,
        "dry-run": ({"Gc": {"is_dry": True}}, "Print what would be removed, and remove nothing."),
        "reindex": (
            {"Gc": {"is_anew": True}},
            "Empty the full-text index first. To fill 100,000 messages in takes minutes.",
        ),
    }
    is_dry = Bool(False, help="Whether to remove nothing. Default: False.").tag(config=True)

    is_anew = Bool(False, help="Whether to empty the full-text index first. Default: False.").tag(
        config=True
    )

    def run(self, settings: ChatStream, words: list[str]) -> int:
        from ..store.front import Policy
        from .database import open_database

        no_words(words)
        policy = Policy.of(settings)
        with open_database(settings, migrates=not self.is_dry) as store:
            if self.is_dry:
                _tell_plan(store.upkeep.plan(policy))
                return 0
            if self.is_anew:
                store.upkeep.reindex()
            code = _collect(store, policy)
            unused_space, path = store.upkeep.unused_space(), store.path
        if unused_space is not None and path is not None and not unused_space.can_shrink:
            _rebuild(path)
        return code


def _rebuild(path: Path) -> None:
    from ..store.front import PAGE_BYTES, rebuild

    old_bytes = path.stat().st_size
    try:
        rebuild(path, PAGE_BYTES)
    except DatabaseBusy as error:
        print(f"The file stays as large as it is. {error.message}", file=sys.stderr)
    else:
        print(f"written anew: {path.stat().st_size} bytes, before {old_bytes}")


def _tell_plan(plan: Plan) -> None:
    print(f"threads to expire: {plan.threads_to_expire}")
    print(f"deleted threads to purge: {plan.threads_to_purge}")
    print(f"attachments to delete: {plan.attachments_to_delete}")
    print(f"runs to compact: {plan.runs_to_compact}, with {plan.deltas_to_compact} deltas")
    if plan.space is not None:
        print(f"unused bytes in the file: {plan.space.free_bytes} of {plan.space.file_bytes}")
        if not plan.space.can_shrink:
            print("the file, of an older release, would be written anew so that it can shrink")


def _collect(store: ChatStore, policy: Policy) -> int:
    write_progress = progress_writer()
    counts = store.upkeep.collect(
        policy, progress=lambda counts: write_progress(f"{counts.compacted_runs} runs compacted")
    )
    print(f"threads expired: {counts.expired_threads}")
    print(f"threads purged: {counts.purged_threads}, with {counts.purged_rows} rows")
    print(f"attachments deleted: {counts.deleted_attachments}")
    print(
        f"runs compacted: {counts.compacted_runs}, with {counts.compacted_deltas} deltas and "
        f"{counts.compacted_bytes} bytes of text"
    )
    print(f"bytes given back: {counts.freed_bytes}")
    print(f"messages indexed: {counts.indexed_messages}")
    if counts.damaged:
        subject = "thread or run is" if counts.damaged == 1 else "threads or runs are"
        print(f"{counts.damaged} {subject} not as their log says, and stay: run `check`.")
    return 1 if counts.damaged else 0
