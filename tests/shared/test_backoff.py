"""Back-off: pauses that grow to a limit."""

from __future__ import annotations

from itertools import islice

from jupyter_chat_stream.shared.backoff import Backoff


def test_pauses_grow_by_the_factor_up_to_the_limit() -> None:
    backoff = Backoff(first_s=1.0, max_s=10.0, factor=3.0)
    assert list(islice(backoff.pauses(), 5)) == [1.0, 3.0, 9.0, 10.0, 10.0]


def test_jitter_keeps_each_pause_between_its_two_factors() -> None:
    backoff = Backoff(first_s=1.0, max_s=1.0, jitter=(0.5, 0.75))
    drawn = [backoff.pause_s(0) for _ in range(100)]
    assert all(0.5 <= pause_s <= 0.75 for pause_s in drawn)
    assert len(set(drawn)) > 1


def test_a_pause_after_very_many_failures_is_the_limit() -> None:
    assert Backoff(first_s=0.05, max_s=2.0).pause_s(10**6) == 2.0
