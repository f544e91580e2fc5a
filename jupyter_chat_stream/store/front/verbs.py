"""Making a verb of the front from a function of the store's inside.

The function's first argument is a connection or a transaction; the verb has all the others. A verb
runs its function in one transaction, on a reading thread or on the writer's thread, and raises the
function's errors.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from ..log.transaction import Transaction
from ..sql.driver import ThreadPlace
from ..store import Store

P = ParamSpec("P")
T = TypeVar("T")


class Group:
    """The verbs of one chapter."""

    def __init__(self, core: Store) -> None:
        self._core = core


Verb = Callable[Concatenate[Group, P], Coroutine[Any, Any, T]]


def reads(work: Callable[Concatenate[Connection, P], T]) -> Verb[P, T]:
    """Make a verb that reads."""

    @wraps(work)
    async def verb(group: Group, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await group._core.read(lambda conn: work(conn, *args, **kwargs))

    return verb


def writes(
    work: Callable[Concatenate[Transaction, P], T],
    *,
    place: Callable[..., ThreadPlace] | None = None,
) -> Verb[P, T]:
    """Make a verb that writes.

    Args:
        place: returns, from the verb's arguments, the thread that the verb changes, whose lock is
            taken first. None: the verb changes no thread, or one that does not exist yet.
    """

    @wraps(work)
    async def verb(group: Group, /, *args: P.args, **kwargs: P.kwargs) -> T:
        places = () if place is None else (place(*args, **kwargs),)
        return await group._core.write(lambda tx: work(tx, *args, **kwargs), *places)

    return verb


def first(place: str, *_: object, **__: object) -> str:
    """Return a verb's first argument: the id of a thread, or of a run or schedule in it."""
    return place


def second(_: object, place: str, *__: object, **___: object) -> str:
    """Return a verb's second argument: the id of a thread, or of a run or schedule in it."""
    return place
