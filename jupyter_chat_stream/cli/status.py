"""``status``: the state of a running server and of the database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Bool

from ..shared import connection_file
from ..shared.config import CONNECTION_ENV, ChatStream
from ..shared.errors import ServerUnavailable
from ..shared.events import dumps
from .command import CliCommand, no_words, plain

if TYPE_CHECKING:
    from ..store.front import ChatStore, Holder

Facts = dict[str, Any]  # the JSON object that ``--json`` prints


class Status(CliCommand):
    """Prints one line per fact."""

    name = "jupyter-chat-stream-status"
    description = (
        "Print the present state: runs by status, the open runs and their processes, the oldest "
        "pending run, the waiting runs, schedules, events, size and schema version. Asks the "
        "server that this terminal belongs to, if there is one, and reads its database. With "
        "--ChatStream.database_url it reads that database only, also while no server runs."
    )
    examples = "jupyter chat-stream status --ChatStream.database_url=sqlite:////srv/chat.db"
    flags = {  # noqa: RUF012 - traitlets reads it off the class
        **CliCommand.flags,
        "json": ({"Status": {"as_json": True}}, "Print one JSON object instead of lines."),
    }
    as_json = Bool(False, help="Print one JSON object. Default: False.").tag(config=True)

    def run(self, settings: ChatStream, words: list[str]) -> int:
        no_words(words)
        facts = gather(settings, is_named="database_url" in self.config.get("ChatStream", {}))
        if self.as_json:
            print(dumps(facts))
        else:
            for line in lines(facts):
                print(line)
        return 0


def gather(settings: ChatStream, *, is_named: bool) -> Facts:
    """Read the server's facts, unless a database is named; and the database's, if readable."""
    connection = None if is_named else _server()
    if connection is None:
        return _of_database(settings)
    from ..kernel import rest

    answer = asyncio.run(rest.fetch(connection, "GET", "status"))
    facts = {"server": {"url": connection.url, "pid": connection.pid}, **answer}
    database = answer["database"]
    if database["backend"] == "sqlite" and database["durable"]:
        settings.database_url = database["url"]
        facts.update(_of_database(settings))
    return facts


def _server() -> connection_file.Connection | None:
    try:
        return connection_file.find()
    except ServerUnavailable:
        if os.environ.get(CONNECTION_ENV):
            raise  # the environment names a server: report its error
        return None


def _of_database(settings: ChatStream) -> Facts:
    from .database import open_database

    with open_database(settings) as store:
        overview = store.upkeep.overview()
        return {
            "database": store.describe(),
            **overview,
            "bytes": {**overview["bytes"], "wal": _wal_bytes(store)},
            "holders": [_holder(store, holder) for holder in overview["holders"]],
        }


def _holder(store: ChatStore, holder: Holder) -> Facts:
    folder = store.folder
    facts: Facts = {"owner": holder.owner, "runs": holder.runs}
    if folder is not None:
        return {**facts, "alive": is_locked(folder, holder.owner)}
    if holder.lease_s is None:
        return {**facts, "alive": False}
    process = {"kind": holder.kind, "host": holder.host, "pid": holder.pid}
    return {**facts, **process, "alive": holder.lease_s > 0, "lease_s": round(holder.lease_s, 1)}


def is_locked(folder: Path, owner: str) -> bool:
    """Return whether a process holds the owner's lock; takes no lock and creates no file."""
    path = folder / "owners" / f"{Path(owner).name}.lock"
    if os.name != "posix":
        return path.exists()
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _wal_bytes(store: ChatStore) -> int:
    wal = Path(f"{store.path}-wal")
    return wal.stat().st_size if wal.exists() else 0


def lines(facts: Facts) -> Iterator[str]:
    """Yield the facts as lines, one for each item of a list."""
    for name, value in facts.items():
        if isinstance(value, list):
            yield f"{name}: {len(value)}"
            for item in value:
                yield f"  {plain(item)}"
        elif name == "server":
            yield f"server: {value['url']} (process {value['pid']})"
        else:
            yield f"{name}: {plain(value)}"
