"""Lists whose beginning is asked for page by page: every use sees the whole of them."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_chat_stream.kernel.paged_list import PagedList


def paged() -> PagedList[int]:
    """Make the list 1 to 5, of which 5 is here already."""
    pages = [[3, 4], [1, 2]]
    return PagedList([5], lambda: pages.pop(0) if pages else [])


def test_a_paged_list_is_compared_whole() -> None:
    assert paged() == [1, 2, 3, 4, 5]
    assert [1, 2, 3, 4, 5] == paged()  # noqa: SIM300  the other side
    assert paged() == paged()
    assert not paged() != [1, 2, 3, 4, 5]  # noqa: SIM202  its own operator
    assert paged() != [5]


def test_a_paged_list_is_added_whole_on_either_side() -> None:
    assert paged() + [6] == [1, 2, 3, 4, 5, 6]  # noqa: RUF005
    assert [0] + paged() == [0, 1, 2, 3, 4, 5]  # noqa: RUF005


def test_the_end_of_a_paged_list_asks_for_no_more_than_it_needs() -> None:
    found = paged()
    assert found[-1] == 5
    assert found.here() == [5]
    assert found[-2:] == [4, 5]
    assert found.here() == [3, 4, 5]


def test_a_paged_list_that_becomes_an_item_is_not_fetched() -> None:
    inserted, placed = paged(), paged()
    items = PagedList[object]([0])
    items.insert(0, inserted)
    items[1] = placed
    assert [inserted.here(), placed.here()] == [[5], [5]]


def test_a_paged_list_in_place_of_a_slice_is_whole() -> None:
    items = PagedList([0])
    items[:] = paged()
    assert items == [1, 2, 3, 4, 5]


def _done(act: Callable[[list[int]], object]) -> Callable[[list[int]], object]:
    """Make of an act on a list one that gives the list after it."""
    return lambda items: (act(items), list(items))


USES: dict[str, Callable[[Any], object]] = {
    "len": len,
    "list": list,
    "tuple": tuple,
    "sorted": sorted,
    "sum": sum,
    "unpacking": lambda items: [*items],
    "json": json.dumps,
    "in": lambda items: 1 in items,
    "not in": lambda items: 9 in items,
    "index": lambda items: items.index(2),
    "index within": lambda items: items.index(4, -3),
    "count": lambda items: items.count(1),
    "reversed": lambda items: list(reversed(items)),
    "the first": lambda items: items[0],
    "one from the end": lambda items: items[-4],
    "a slice": lambda items: items[1:3],
    "a slice from the end": lambda items: items[-4:-1],
    "every second": lambda items: items[::2],
    "every second of the last": lambda items: items[-3::2],
    "backwards": lambda items: items[::-1],
    "backwards from near the end": lambda items: items[-2::-1],
    "less": lambda items: items < [2],
    "more": lambda items: items >= [1, 2, 3, 4, 5],
    "less on the other side": lambda items: [2] > items,  # noqa: SIM300  its own operator
    "twice": lambda items: items * 2,
    "twice on the other side": lambda items: 2 * items,
    "copy": lambda items: items.copy(),
    "copy.copy": lambda items: list(copy.copy(items)),
    "copy.deepcopy": lambda items: list(copy.deepcopy(items)),
    "pickle": lambda items: list(pickle.loads(pickle.dumps(items))),
    "sort": _done(lambda items: items.sort(key=lambda item: -item)),
    "reverse": _done(lambda items: items.reverse()),
    "pop": _done(lambda items: items.pop(0)),
    "insert": _done(lambda items: items.insert(1, 9)),
    "remove": _done(lambda items: items.remove(1)),
    "clear": _done(lambda items: items.clear()),
    "append": _done(lambda items: items.append(6)),
    "extend": _done(lambda items: items.extend([6, 7])),
    "set an item": _done(lambda items: items.__setitem__(0, 9)),
    "delete an item": _done(lambda items: items.__delitem__(slice(1, 3))),
    "multiply": _done(lambda items: items.__imul__(2)),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_each_use_of_a_paged_list_gives_what_the_whole_list_gives(
    use: Callable[[Any], object],
) -> None:
    assert use(paged()) == use([1, 2, 3, 4, 5])


def test_every_method_of_a_list_is_either_seen_to_or_needs_no_beginning() -> None:
    harmless = {"append", "extend", "__iadd__", "__init__", "__new__", "__class_getitem__"}
    harmless |= {"__hash__"}  # None
    shown = {"__repr__", "__sizeof__", "__getattribute__", "__doc__"}  # what is here
    assert {name for name in vars(list) if name not in vars(PagedList)} <= harmless | shown
