"""A list that fetches its older items from the server when they are read.

A follower keeps the newest messages of a thread. A ``PagedList`` begins with those. When code reads
an older item, the list fetches page by page, the newest page first. Every other method of a list
first fetches all items.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


class PagedList(list[T]):
    """A list, oldest first, whose beginning is fetched page by page.

    ``[-1]`` and the items that are here already need no request.

    Args:
        earlier: fetches the items right before, oldest first; empty if there are none. None: the
            list is whole.
    """

    _earlier: Callable[[], list[T]] | None = None

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
        """Return the items that are here already, without a request."""
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
            is_at_end = is_at_end and (key.step or 1) > 0
            min_length = -key.start if is_at_end else None
        else:
            place = operator.index(key)
            min_length = -place if place < 0 else None
        while self._earlier is not None and (min_length is None or super().__len__() < min_length):
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
        count = 0
        while True:
            page = self.here()
            if count < len(page):
                yield page[-1 - count]
                count += 1
            elif self._earlier is None:
                return
            else:
                self._ask()

    def __contains__(self, item: object) -> bool:
        return any(other == item for other in reversed(self))

    def __radd__(self, other: list[Any]) -> list[Any]:
        return [*other, *self]

    def copy(self) -> list[T]:
        return list(self)


def _whole_list_method(name: str) -> Callable[..., Any]:
    """Make a list's method that fetches the whole list first; one of `_OF_TWO`, both lists."""
    original = getattr(list, name)

    @functools.wraps(original)
    def method(self: PagedList[Any], *args: Any, **options: Any) -> Any:
        self._ask_all()
        for other in args if name in _OF_TWO else ():
            if isinstance(other, PagedList):
                other._ask_all()
        return original(self, *args, **options)

    return method


# The methods that work at a list's end, `append`, `extend` and `+=`, need no beginning.
_OF_ONE = (
    "clear", "count", "index", "insert", "pop", "remove", "reverse", "sort",
    "__delitem__", "__imul__", "__mul__", "__reduce_ex__", "__rmul__", "__setitem__",
)  # fmt: skip
_OF_TWO = ("__add__", "__eq__", "__ge__", "__gt__", "__le__", "__lt__", "__ne__")
for _name in (*_OF_ONE, *_OF_TWO):
    setattr(PagedList, _name, _whole_list_method(_name))
