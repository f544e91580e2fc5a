"""What the tests of the search do: write messages, index them, search, and a model to compare."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from jupyter_chat_stream.shared.list_records import ListedThread, ThreadList
from jupyter_chat_stream.shared.records import Part
from jupyter_chat_stream.store.chat import runs
from jupyter_chat_stream.store.chat.listing import ListFilter
from jupyter_chat_stream.store.log.transaction import ThreadRef, Transaction
from jupyter_chat_stream.store.retention.indexing import index_due, index_older
from jupyter_chat_stream.store.retention.steps import Budget, Read, Step, drive
from jupyter_chat_stream.store.search.pages import search_threads
from tests.store.harness import StoreHarness


def say(harness: StoreHarness, thread: ThreadRef, text: str) -> str:
    """Write a message of a person; returns its id."""
    return say_parts(harness, thread, [{"kind": "text", "text": text}])


def say_parts(harness: StoreHarness, thread: ThreadRef, parts: Sequence[Part]) -> str:
    def work(tx: Transaction) -> str:
        return runs.add_message(tx, thread, parts=list(parts), parent_id=None)["id"]

    return harness.do(work, thread.pk)


def do_step(harness: StoreHarness, step: Step) -> Any:
    if isinstance(step, Read):
        return harness.look(step.work)
    return harness.do(step.work, *step.threads)


def index(harness: StoreHarness, step_s: float = 0.002) -> int:
    """Index everything; returns the number of messages."""
    budget = Budget(step_s=step_s)
    steps = (index_due(budget=budget), index_older(budget=budget))
    return sum(drive(each, lambda step: do_step(harness, step)) for each in steps)


def search(harness: StoreHarness, q: str, owner: str = "local", **options: Any) -> ThreadList:
    limit = options.pop("limit", 50)
    wanted = ListFilter(**options)
    return harness.look(lambda conn: search_threads(conn, owner, wanted, q, limit=limit))


def found(harness: StoreHarness, q: str, **options: Any) -> list[str]:
    """Return the ids of the threads that a search finds; it must be complete."""
    answer = search(harness, q, **options)
    assert answer["is_complete"]
    return [thread["id"] for thread in answer["threads"]]


def marked(thread: ListedThread) -> list[tuple[str | None, list[str]]]:
    """Return each match's message, and the texts that its ranges mark."""
    return [
        (
            match["message_id"],
            [
                match["snippet"].encode("utf-16-le")[2 * a : 2 * b].decode("utf-16-le")
                for a, b in match["ranges"]
            ],
        )
        for match in thread["matches"]
    ]


# ---------------------------------------------------------------------- the model


def plain(text: str) -> str:
    """Fold a text in the simplest way that is right for the alphabet of the random texts."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in spread if not "\u0300" <= char <= "\u036f")
    return unicodedata.normalize("NFC", bare)


def words(text: str) -> list[str]:
    made: list[str] = []
    is_open = False
    for char in plain(text):
        if "\u3040" <= char <= "\u9fff" or "가" <= char <= "힣" or char == "\U0001f389":
            made.append(char)
            is_open = False
        elif char.isalnum():
            if is_open:
                made[-1] += char
            else:
                made.append(char)
            is_open = True
        else:
            is_open = False
    return made


def has(field: str, wanted: Sequence[str], *, is_prefix: bool) -> bool:
    """Return whether a field has these words in a row."""
    there = words(field)
    for at in range(len(there) - len(wanted) + 1):
        row = there[at : at + len(wanted)]
        last = row[-1].startswith(wanted[-1]) if is_prefix else row[-1] == wanted[-1]
        if row[:-1] == list(wanted[:-1]) and last:
            return True
    return False


def matches(fields: Iterable[str], query: str) -> bool:
    """Return whether all terms of a query are in the fields."""
    terms: list[tuple[list[str], bool]] = []
    pieces = query.split('"')
    for number, piece in enumerate(pieces):
        for place, run in enumerate(each := [piece] if number % 2 else piece.split()):
            is_last = number == len(pieces) - 1 and place == len(each) - 1
            if wanted := words(run):
                is_letter = len(wanted) == 1 and len(wanted[0]) == 1
                terms.append((wanted, is_last and not is_letter))
    known = list(fields)
    return bool(terms) and all(
        any(has(field, wanted, is_prefix=is_prefix) for field in known)
        for wanted, is_prefix in terms
    )
