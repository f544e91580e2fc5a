"""Lists whose beginning is asked for page by page: every use sees the whole of them."""

from __future__ import annotations

from jupyter_chat_stream.client.paging import Paged


def paged() -> Paged[int]:
    """Make the list 1 to 5, of which 5 is here already."""
    pages = [[3, 4], [1, 2]]
    return Paged([5], lambda: pages.pop(0) if pages else [])


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
