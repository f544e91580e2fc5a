"""Lists that begin with what is here and ask for what is older when that is read.

A follower keeps the newest messages of a thread. A ``Paged`` list holds those, and asks the server
for one page after the other, newest first, when something of it is read that is not there.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class Paged(list[T]):
    """A list, oldest first, whose beginning is asked for page by page.

    ``[-1]`` and all that is here already asks nobody; whatever needs the beginning asks for it.

    Args:
        earlier: gives what comes right before, oldest first; empty where nothing does. None where
            the list is whole.
    """

    def __init__(
        self, items: Iterable[T] = (), earlier: Callable[[], list[T]] | None = None
    ) -> None:
        super().__init__(items)
        self._earlier = earlier

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing at its beginning."""
        return self._earlier is None

    def here(self) -> list[T]:
        """Return what is here already, without asking anybody."""
        return list(super().__iter__())

    def _ask(self) -> None:
        if self._earlier is not None:
            page = self._earlier()
            if page:
                super().__setitem__(slice(0, 0), page)
            else:
                self._earlier = None

    def _ask_all(self) -> None:
        while self._earlier is not None:
            self._ask()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            is_at_end = key.start is not None and key.start < 0 and (key.stop or -1) < 0
            wanted = -key.start if is_at_end else None
        else:
            place = operator.index(key)
            wanted = -place if place < 0 else None
        while self._earlier is not None and (wanted is None or super().__len__() < wanted):
            self._ask()
        return super().__getitem__(key)

    def __len__(self) -> int:
        self._ask_all()
        return super().__len__()

    def __bool__(self) -> bool:
        return super().__len__() > 0 or len(self) > 0

    def __iter__(self) -> Iterator[T]:
        self._ask_all()
        return super().__iter__()

    def __reversed__(self) -> Iterator[T]:
        given = 0
        while True:
            page = self.here()
            if given < len(page):
                yield page[-1 - given]
                given += 1
            elif self._earlier is None:
                return
            else:
                self._ask()

    def __contains__(self, item: object) -> bool:
        return any(known == item for known in reversed(self))

    def __eq__(self, other: object) -> bool:
        self._ask_all()
        if isinstance(other, Paged):
            other._ask_all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __add__(self, other: Any) -> Any:
        self._ask_all()
        return super().__add__(other)

    def __radd__(self, other: list[Any]) -> list[Any]:
        return [*other, *self]

    def index(self, *args: Any) -> int:
        self._ask_all()
        return super().index(*args)

    def count(self, item: Any) -> int:
        self._ask_all()
        return super().count(item)

    def copy(self) -> list[T]:
        self._ask_all()
        return self.here()
