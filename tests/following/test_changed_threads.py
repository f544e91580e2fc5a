"""Which rows of the list a watcher gets next, and when: coalesced and bounded."""

from __future__ import annotations

from jupyter_chat_stream.following.changed_threads import (
    GAP_S,
    MAX_AT_ONCE,
    MAX_PENDING,
    ChangedThreads,
)


def begun() -> ChangedThreads:
    """Return the changes of a watcher that has been told to read the list."""
    changes = ChangedThreads()
    assert changes.take_loss()
    return changes


def test_at_first_and_after_a_loss_the_list_must_be_read_and_single_changes_do_not_count() -> None:
    changes = ChangedThreads()
    changes.add(["a"], 1.0)
    assert changes.next_s() == float("-inf")
    assert changes.take_loss()
    assert not changes.take_loss()
    assert (changes.next_s(), changes.take(2.0)) == (None, [])
    changes.add(["a"], 2.0)
    changes.lose()
    changes.give_back(["b"], 2.0)
    assert changes.take_loss()
    assert changes.take(3.0) == []


def test_a_change_is_due_at_once_and_the_next_one_of_its_thread_after_the_gap() -> None:
    changes = begun()
    changes.add(["a"], 1.0)
    assert changes.take(1.0) == ["a"]
    changes.add(["a", "b"], 1.1)
    changes.add(["a"], 1.2)  # coalesced with the one before
    assert changes.take(1.2) == ["b"]
    assert changes.next_s() == 1.0 + GAP_S
    assert changes.take(1.0 + GAP_S) == ["a"]
    assert changes.next_s() is None


def test_a_thread_that_changes_all_the_time_gets_four_rows_a_second() -> None:
    changes = begun()
    taken = []
    for tick in range(2000):  # 2 s, a change in every ms
        changes.add(["a"], tick / 1000)
        taken += [tick for _ in changes.take(tick / 1000)]
    assert taken == [0, 250, 500, 750, 1000, 1250, 1500, 1750]


def test_the_earliest_changes_are_taken_first_and_a_few_at_once() -> None:
    changes = begun()
    for number in range(MAX_AT_ONCE + 2):
        changes.add([f"{number:03}"], 1.0 + number / 1000)
    assert changes.take(2.0) == [f"{number:03}" for number in range(MAX_AT_ONCE)]
    assert changes.take(2.0) == [f"{MAX_AT_ONCE:03}", f"{MAX_AT_ONCE + 1:03}"]


def test_what_a_watcher_did_not_get_is_due_at_once() -> None:
    changes = begun()
    changes.add(["a", "b"], 1.0)
    taken = changes.take(1.0)
    changes.give_back(taken[1:], 1.0)
    assert changes.next_s() == 1.0
    assert changes.take(1.0) == ["b"]


def test_a_watcher_that_is_too_slow_reads_the_list_again_instead() -> None:
    """L8: the number of ids that are held is bounded."""
    changes = begun()
    for number in range(MAX_PENDING):
        changes.add([str(number)], 1.0)
    assert len(changes) == MAX_PENDING
    changes.add(["one more"], 1.0)
    assert len(changes) == 0
    assert changes.take_loss()
    changes.add(["a"], 2.0)
    assert changes.take(2.0) == ["a"]
