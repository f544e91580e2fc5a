"""When an unfinished message's row is saved: often enough to open quickly, seldom enough to pay."""

from __future__ import annotations

from itertools import pairwise

from jupyter_chat_stream.runs.appender import COMMIT_BYTES, Saving

CHARS = 5


def saves_of(commits: int, *, pause_s: float = 0.02, kept_chars: int = 0) -> list[int]:
    """Return at which commits of one small chunk each the row is saved."""
    saving = Saving(interval_s=0.5, now_s=0.0, chars=kept_chars)
    return [
        number
        for number in range(1, commits + 1)
        if saving.is_due(kept_chars + number * CHARS, number * pause_s)
    ]


def test_saving_the_row_adds_at_most_a_quarter_to_what_commits_write() -> None:
    commits = 100_000
    row_bytes = sum(number * CHARS for number in saves_of(commits))
    # what the growth rule adds is a geometric series: five times the text
    assert row_bytes <= commits * COMMIT_BYTES * 0.25 + 5 * commits * CHARS


def test_nobody_folds_more_than_two_events_for_each_kb_of_text() -> None:
    saved = [0, *saves_of(100_000), 100_000]
    for before, after in pairwise(saved):
        assert after - before <= max(25, after * CHARS / 512 + 9)


def test_a_row_is_saved_at_most_once_an_interval() -> None:
    saved = saves_of(10_000, pause_s=0.001)
    assert all(after - before >= 500 for before, after in pairwise(saved))


def test_what_an_attempt_before_has_written_makes_saving_rarer() -> None:
    assert len(saves_of(1000, kept_chars=500_000)) <= 1000 * 512 / 500_000 + 1


def test_a_row_that_has_no_new_text_is_not_saved() -> None:
    saving = Saving(interval_s=0.5, now_s=0.0)
    assert saving.is_due(10, 1.0)
    assert not saving.is_due(10, 100.0)
