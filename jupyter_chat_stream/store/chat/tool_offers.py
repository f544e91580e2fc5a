"""Offers: the tools whose calls living executors would make in a thread.

An executor replaces all its offers in a thread at once. The server renews the offers while the
executor's socket is open, and withdraws them when it closes. If the server dies, the offers expire
after ``OFFER_S``. An offer belongs only to the newest socket that has sent it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, insert

from ...shared.errors import InvalidInput
from ...shared.events import canonical
from ...shared.spelling import did_you_mean
from ...shared.tool_definitions import MAX_TOOLS, OFFER_S
from ...shared.tool_records import ToolRecord
from ..log.transaction import ThreadRef, Transaction, execute
from ..sql.tables import table
from ..sql.tool_tables import ToolOfferRow
from . import threads


def put_offers(
    tx: Transaction,
    owner: str,
    thread_id: str,
    *,
    executor: str,
    label: str,
    socket: str,
    tools: Sequence[ToolRecord],
) -> None:
    """Replace an executor's offers in a thread; an empty list withdraws them.

    Raises:
        ThreadNotFound
        InvalidInput: the thread would have more than ``MAX_TOOLS`` tools.
    """
    thread = threads.find_thread(tx.conn, owner, thread_id)
    params = {"thread": thread.pk, "executor": executor, "now": tx.now_ms}
    tx.execute(
        "DELETE FROM tool_offer WHERE thread = :thread AND (executor = :executor "
        "OR until_ms <= :now)",
        params,
    )
    names = {tool["name"]: tool for tool in tools}
    other_names = {tool["name"] for tool in list_offers(tx.conn, thread, tx.now_ms)}
    if len(other_names | names.keys()) > MAX_TOOLS:
        raise InvalidInput(f"A thread has at most {MAX_TOOLS} tools.", field="tools")
    if not names:
        return
    rows = [
        {
            "thread": thread.pk,
            "executor": executor,
            "name": name,
            "label": label,
            "socket": socket,
            "definition": canonical(tool),
            "until_ms": tx.now_ms + int(OFFER_S * 1000),
        }
        for name, tool in names.items()
    ]
    tx.conn.execute(insert(table(ToolOfferRow)), rows)


def renew_offers(tx: Transaction, socket: str) -> None:
    """Renew the offers of the executors that one socket serves."""
    until_ms = tx.now_ms + int(OFFER_S * 1000)
    sql = "UPDATE tool_offer SET until_ms = :until WHERE socket = :socket"
    tx.execute(sql, {"until": until_ms, "socket": socket})


def end_offers(tx: Transaction, socket: str) -> None:
    """Withdraw the offers of the executors whose socket has closed."""
    tx.execute("DELETE FROM tool_offer WHERE socket = :socket", {"socket": socket})


def list_offers(conn: Connection, thread: ThreadRef, now_ms: int) -> list[ToolRecord]:
    """List the tools that living executors offer in a thread, each name once."""
    sql = (
        "SELECT definition FROM tool_offer WHERE thread = :thread AND until_ms > :now "
        "ORDER BY name, executor"
    )
    definitions = execute(conn, sql, {"thread": thread.pk, "now": now_ms}).scalars()
    return _first_of_each_name(json.loads(text) for text in definitions)


def find_offers(conn: Connection, owner: str, name: str, now_ms: int) -> list[ToolRecord]:
    """List all offered definitions of a tool, in all of an owner's threads."""
    sql = (
        "SELECT definition FROM tool_offer JOIN thread ON thread.pk = tool_offer.thread "
        "WHERE thread.owner = :owner AND NOT thread.deleted AND tool_offer.name = :name "
        "AND until_ms > :now ORDER BY tool_offer.until_ms DESC"
    )
    definitions = execute(conn, sql, {"owner": owner, "name": name, "now": now_ms}).scalars()
    return [json.loads(text) for text in definitions]


def check_names(
    tx: Transaction, thread: ThreadRef, names: Iterable[str], servers: Collection[str]
) -> None:
    """Check that all tools of a message exist.

    Args:
        servers: the names of the server's own tools.

    Raises:
        InvalidInput: nobody offers one of the tools in the thread now.
    """
    offered_names = {*servers, *(tool["name"] for tool in list_offers(tx.conn, thread, tx.now_ms))}
    for name in names:
        if name not in offered_names:
            raise InvalidInput(
                f"Nobody offers a tool {name!r} in this thread.{did_you_mean(name, offered_names)} "
                "GET tools lists the tools that are offered now.",
                field="tools",
            )


def _first_of_each_name(tools: Iterable[ToolRecord]) -> list[ToolRecord]:
    by_name: dict[str, ToolRecord] = {}
    for tool in tools:
        by_name.setdefault(tool["name"], tool)
    return list(by_name.values())
