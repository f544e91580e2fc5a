"""The sans-I/O subscription: the gap rule that every reader shares (L6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chat_stream.shared.events import canonical, parse
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.shared.subscription import Applied, Ended, Resubscribe, Subscription

VECTORS = Path(__file__).parent.parent / "vectors"


def load(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / f"{name}.json").read_text())


LOG: list[dict[str, Any]] = load("interleaved_runs")["events"]
STATE = load("interleaved_runs")["state"]


def events_frame(events: list[dict[str, Any]]) -> dict[str, Any]:
    return {"op": "events", "thread": "t1", "events": events}


def live(seq: int) -> dict[str, Any]:
    return {"op": "live", "thread": "t1", "seq": seq}


def following(upto: int) -> Subscription:
    """A subscription that is live at a cursor."""
    subscription = Subscription("t1")
    subscription.request()
    subscription.receive(events_frame(LOG[:upto]))
    subscription.receive(live(upto))
    return subscription


def test_a_new_subscription_asks_from_the_beginning() -> None:
    assert Subscription("t1").request() == {"op": "subscribe", "thread": "t1", "after": 0}


def test_replay_then_live_gives_the_whole_state() -> None:
    """L6: what comes in order is folded, and `live` says that nothing is missing."""
    subscription = Subscription("t1")
    subscription.request()
    first = subscription.receive(events_frame(LOG[:9]))
    assert first == Applied(events=tuple(parse(e) for e in LOG[:9]), live=False)
    assert subscription.receive(live(9)) == Applied(events=(), live=True)
    assert subscription.is_live
    rest = subscription.receive(events_frame(LOG[9:]))
    assert isinstance(rest, Applied)
    assert rest.live
    assert canonical(subscription.transcript.state()) == canonical(STATE)


def test_what_was_seen_before_is_dropped() -> None:
    """L6: no duplicate."""
    subscription = following(9)
    assert subscription.receive(events_frame(LOG[3:9])) == Applied(events=(), live=True)
    answer = subscription.receive(events_frame(LOG[5:11]))
    assert isinstance(answer, Applied)
    assert [event.seq for event in answer.events] == [10, 11]
    assert subscription.cursor == 11


def test_a_gap_is_asked_for_again_from_the_cursor() -> None:
    """L6: no gap. What fits before it is kept, nothing after it is."""
    subscription = following(5)
    answer = subscription.receive(events_frame([LOG[5], *LOG[7:9]]))
    assert answer == Resubscribe(after=6, reason="gap")
    assert subscription.cursor == 6
    assert not subscription.is_live
    assert subscription.request()["after"] == 6


def test_what_still_comes_of_the_subscription_before_causes_no_second_question() -> None:
    subscription = following(5)
    subscription.receive(events_frame(LOG[7:9]))
    subscription.request()
    assert subscription.receive(events_frame(LOG[9:12])) == Applied(events=(), live=False)
    subscription.receive(events_frame(LOG[5:]))
    assert canonical(subscription.transcript.state()) == canonical(STATE)
    gap_again = subscription.receive(events_frame([{**LOG[-1], "seq": 99}]))
    assert gap_again == Resubscribe(after=len(LOG), reason="gap")


def test_live_beyond_the_cursor_is_a_gap() -> None:
    """L6: a reader that is told it is level, and is not, asks again."""
    subscription = Subscription("t1")
    subscription.request()
    subscription.receive(events_frame(LOG[:4]))
    assert subscription.receive(live(7)) == Resubscribe(after=4, reason="gap")
    assert not subscription.is_live


def test_a_cursor_ahead_of_the_log_starts_anew() -> None:
    subscription = following(9)
    answer = subscription.receive({"op": "error", "error": {"code": "cursor_ahead"}})
    assert answer == Resubscribe(after=0, reason="cursor_ahead")
    assert subscription.transcript.state() == Transcript().state()


MISFIT = {**LOG[2], "seq": 6, "type": "delta", "part": 9, "kind": "text", "text": "x"}
MISFITS = [
    events_frame([MISFIT]),
    events_frame([{"seq": 6}]),
    events_frame([{**LOG[3], "seq": 6, "message": {"id": "a9", "parts": "none"}}]),
    events_frame([{**LOG[3], "seq": 6, "message": [1]}]),
    {"op": "events"},
    {"op": "events", "events": 7},
    {"op": "snapshot", "thread": "t1"},
    {"op": "snapshot", "thread": "t1", "seq": 9, "info": 4, "messages": [], "runs": []},
]


@pytest.mark.parametrize("frame", MISFITS)
def test_a_misfit_drops_the_state_and_asks_from_the_beginning(frame: dict[str, Any]) -> None:
    subscription = following(5)
    answer = subscription.receive(frame)
    assert isinstance(answer, Resubscribe)
    assert answer.after == 0
    assert answer.reason.startswith("misfit")
    assert subscription.cursor == 0
    subscription.request()
    subscription.receive(events_frame(LOG))
    assert canonical(subscription.transcript.state()) == canonical(STATE)


def test_the_same_misfit_again_ends_it_instead_of_asking_for_ever() -> None:
    subscription = following(5)
    subscription.receive(events_frame([MISFIT]))
    subscription.request()
    subscription.receive(events_frame(LOG[:3]))  # what comes before it fits, as it did before
    answer = subscription.receive(events_frame([*LOG[3:5], MISFIT]))
    assert isinstance(answer, Ended)
    assert answer.error is not None
    assert answer.error["code"] == "fold_error"


def test_a_snapshot_moves_the_state_and_the_cursor() -> None:
    """L6: only a snapshot moves a cursor by more than one."""
    vector = load("interleaved_runs")
    for cut in vector["cuts"]:
        subscription = following(cut["at"])
        assert subscription.receive(cut["snapshot"]) == Applied(events=(), live=True)
        assert subscription.cursor == cut["snapshot"]["seq"]
        subscription.receive(events_frame(cut["rest"]))
        assert canonical(subscription.transcript.state()) == canonical(vector["state"])


def test_a_snapshot_of_the_past_changes_nothing() -> None:
    cut = load("interleaved_runs")["cuts"][0]
    subscription = following(len(LOG))
    subscription.receive(cut["snapshot"])
    assert canonical(subscription.transcript.state()) == canonical(STATE)


def test_closed_and_errors_end_it() -> None:
    assert following(5).receive({"op": "closed", "reason": "deleted"}) == Ended(error=None)
    gone = {"code": "thread_not_found", "message": "…"}
    assert following(5).receive({"op": "error", "error": gone}) == Ended(error=gone)


@pytest.mark.parametrize("frame", [{"op": "heartbeat"}, {"op": "pong"}, {"op": "new"}, {}])
def test_frames_that_say_nothing_of_the_thread_are_left(frame: dict[str, Any]) -> None:
    subscription = following(5)
    assert subscription.receive(frame) is None
    assert subscription.cursor == 5


@given(st.lists(st.tuples(st.integers(0, len(LOG)), st.integers(1, 6)), max_size=30))
def test_whatever_pieces_come_in_whatever_order_the_state_is_a_prefix(
    pieces: list[tuple[int, int]],
) -> None:
    """L6: the state is always the fold of exactly the events up to the cursor."""
    subscription = Subscription("t1")
    for start, length in pieces:
        answer = subscription.receive(events_frame(LOG[start : start + length]))
        if isinstance(answer, Resubscribe):
            assert subscription.request()["after"] == subscription.cursor
        expected = Transcript()
        for wire in LOG[: subscription.cursor]:
            expected.apply(parse(wire))
        assert canonical(subscription.transcript.state()) == canonical(expected.state())
