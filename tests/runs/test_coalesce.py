"""From chunks to events: what a delta may hold, and where parts begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chat_stream.providers.base import (
    Chunk,
    EndChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
    UpstreamChunk,
)
from jupyter_chat_stream.runs import coalesce
from jupyter_chat_stream.runs.coalesce import Coalescer
from jupyter_chat_stream.shared.errors import BadRequest
from jupyter_chat_stream.shared.events import (
    Body,
    Delta,
    Event,
    MessageWritten,
    StatusChanged,
    ToolReturned,
    ToolStarted,
    clean_text,
)
from jupyter_chat_stream.shared.fold import MessageFold
from jupyter_chat_stream.store.chat.runs import new_message


def text(piece: str) -> TextChunk:
    return TextChunk(text=piece)


def thought(piece: str) -> ReasoningChunk:
    return ReasoningChunk(text=piece)


def tool_input(call: str, piece: str) -> ToolInputChunk:
    return ToolInputChunk(tool_call_id=call, name="sql", text=piece)


def tool_call(call: str) -> ToolCallChunk:
    return ToolCallChunk(tool_call_id=call, name="sql", input={"q": 1})


def coalesced(*chunks: Chunk, parts: int = 0, max_chars: int = 1000) -> list[Body]:
    coalescer = Coalescer(parts=parts, max_chars=max_chars)
    for chunk in chunks:
        coalescer.add(chunk)
    return list(coalescer.finish().bodies)


def folded(bodies: Sequence[Body], parts: int = 0) -> list[dict[str, object]]:
    """The parts a message has after these events: raises where one does not fit."""
    before = [{"kind": "text", "text": f"old {n}"} for n in range(parts)]
    message = new_message(
        id="a", thread_id="t", role="assistant", status="pending", created_at="", parts=before
    )
    fold = MessageFold(message, 1)
    for seq, body in enumerate(bodies, 2):
        assert not isinstance(body, MessageWritten)
        fold.apply(Event(seq=seq, thread_id="t", at=0, body=body, run_id="r", message_id="a"))
    value = fold.value()["parts"]
    assert isinstance(value, list)
    return value


def delta(part: int, piece: str, kind: str = "text") -> Delta:
    return Delta(part=part, kind=kind, text=piece)


def test_pieces_that_come_together_become_one_delta() -> None:
    assert coalesced(text("a"), text("b"), text("c")) == [delta(0, "abc")]


def test_a_delta_never_mixes_parts() -> None:
    bodies = coalesced(thought("h"), thought("m"), text("a"), thought("!"), text("b"))
    assert bodies == [
        delta(0, "hm", "reasoning"),
        delta(1, "a"),
        delta(2, "!", "reasoning"),
        delta(3, "b"),
    ]


def test_a_part_goes_on_over_takes() -> None:
    coalescer = Coalescer(parts=0, max_chars=10)
    coalescer.add(text("a"))
    assert coalescer.take().bodies == [delta(0, "a")]
    coalescer.add(text("b"))
    assert coalescer.take().bodies == [delta(0, "b")]
    assert coalescer.take().bodies == []
    assert coalescer.is_empty


def test_a_new_attempt_opens_new_parts_after_those_that_are_there() -> None:
    assert coalesced(text("a"), thought("b"), parts=2) == [
        delta(2, "a"),
        delta(3, "b", "reasoning"),
    ]


def test_a_long_piece_is_cut_into_deltas_of_max_chars() -> None:
    bodies = coalesced(text("abcdefg"), text("h"), max_chars=3)
    assert bodies == [delta(0, "abc"), delta(0, "def"), delta(0, "gh")]


def test_the_halves_of_a_surrogate_pair_wait_for_each_other() -> None:
    coalescer = Coalescer(parts=0, max_chars=10)
    coalescer.add(text("a\ud83e"))
    assert coalescer.take().bodies == [delta(0, "a")]
    assert coalescer.is_empty
    coalescer.add(text("\uddeeb"))
    assert coalescer.take().bodies == [delta(0, "🧮b")]


def test_a_pair_is_not_cut_by_max_chars() -> None:
    assert coalesced(text("\ud83e"), text("\uddee\ud83e"), text("\uddee"), max_chars=1) == [
        delta(0, "🧮"),
        delta(0, "🧮"),
    ]


@pytest.mark.parametrize(
    "chunks",
    [
        (text("a\ud83e"),),
        (text("a\ud83e"), text("")),
        (text("a"), text("\uddee")),
        (text("a\x00"),),
    ],
)
def test_half_a_pair_without_the_other_and_u0000_become_the_replacement(
    chunks: tuple[Chunk, ...],
) -> None:
    assert coalesced(*chunks) == [delta(0, "a\ufffd")]


def test_half_a_pair_at_the_end_of_a_part_does_not_wait_for_the_next_part() -> None:
    assert coalesced(thought("\ud83e"), text("\uddee")) == [
        delta(0, "\ufffd", "reasoning"),
        delta(1, "\ufffd"),
    ]


def test_a_tool_call_takes_the_part_its_input_streamed_into() -> None:
    bodies = coalesced(text("a"), tool_input("c", "{"), tool_input("c", "}"), tool_call("c"))
    assert bodies == [
        delta(0, "a"),
        delta(1, "{}", "tool_input"),
        ToolStarted(part=1, tool_call_id="c", name="sql", input={"q": 1}),
    ]


def test_a_call_with_a_broken_input_comes_last_and_with_its_failed_result() -> None:
    """Else an attempt after a crash would make the call with an input that nobody meant (L12).

    The result of one call does not stand before another call of the same round.
    """
    broken = replace(tool_call("c"), input={}, error="It is not JSON.")
    coalescer = Coalescer(parts=0, max_chars=100)
    coalescer.add(tool_input("c", "{"))
    coalescer.add(broken)
    coalescer.add(replace(broken, tool_call_id="d"))
    coalescer.add(tool_call("e"))
    assert list(coalescer.take().bodies) == [
        delta(0, "{", "tool_input"),
        ToolStarted(part=1, tool_call_id="e", name="sql", input={"q": 1}),
    ]
    assert list(coalescer.finish().bodies) == [
        ToolStarted(part=0, tool_call_id="c", name="sql", input={}),
        ToolStarted(part=2, tool_call_id="d", name="sql", input={}),
        *(
            ToolReturned(
                tool_call_id=id_,
                name="sql",
                success=False,
                output="It is not JSON.",
                reason="denied",
            )
            for id_ in "cd"
        ),
    ]
    assert coalescer.is_empty


def test_the_inputs_of_two_calls_are_two_parts() -> None:
    bodies = coalesced(
        tool_input("c", "1"), tool_input("d", "2"), tool_call("d"), tool_call("c"), text("x")
    )
    assert folded(bodies)[:2] == [
        {"kind": "tool_call", "tool_call_id": "c", "name": "sql", "input": {"q": 1}},
        {"kind": "tool_call", "tool_call_id": "d", "name": "sql", "input": {"q": 1}},
    ]
    assert bodies[-1] == delta(2, "x")


def test_a_piece_without_text_takes_no_part() -> None:
    """Else the next part would stand after one that no event opened, and nobody could fold it."""
    for empty in (text(""), thought(""), tool_input("c", "")):
        bodies = coalesced(empty, text("a"), empty, thought("b"))
        assert [body.part for body in bodies if isinstance(body, Delta)] in ([0, 1], [0])
        folded(bodies)
    bodies = coalesced(tool_input("c", ""), text("a"), tool_call("c"), text("b"))
    assert [part["kind"] for part in folded(bodies)] == ["text", "tool_call", "text"]


def test_nothing_a_model_says_of_a_tool_call_harms_a_database() -> None:
    dirty = {"q\ud83e": "\x00", "n": float("nan")}
    chunk = ToolCallChunk(tool_call_id="c\ud83e", name="s\x00", input=dirty)
    assert coalesced(chunk) == [
        ToolStarted(
            part=0, tool_call_id="c\ufffd", name="s\ufffd", input={"q\ufffd": "\ufffd", "n": None}
        )
    ]


def test_other_events_stand_where_they_were_put() -> None:
    coalescer = Coalescer(parts=0, max_chars=10)
    coalescer.add(thought("a"))
    coalescer.add_body(StatusChanged(phase="building"))
    coalescer.add(text("b"))
    assert coalescer.take().bodies == [
        delta(0, "a", "reasoning"),
        StatusChanged(phase="building"),
        delta(1, "b"),
    ]


def test_what_waits_is_counted_and_taking_empties_it() -> None:
    coalescer = Coalescer(parts=0, max_chars=10)
    coalescer.add(text("abc"))
    coalescer.add(thought("de\ud83e"))
    assert coalescer.pending_chars == 5
    coalescer.take()
    assert coalescer.pending_chars == 1


def test_the_end_is_no_event_of_its_own() -> None:
    assert coalesced(EndChunk(stop_reason="end_turn", model="m", usage={})) == []


def test_a_chunk_of_unknown_type_is_refused() -> None:
    with pytest.raises(BadRequest, match="object"):
        Coalescer(parts=0, max_chars=10).add(object())  # type: ignore[arg-type]


ANY_TEXT = st.text(st.sampled_from("ab\x00🧮\ud83e\uddee"), max_size=6)
CHUNKS = st.one_of(
    ANY_TEXT.map(text),
    ANY_TEXT.map(thought),
    st.builds(tool_input, st.sampled_from("cd"), ANY_TEXT),
    st.builds(tool_call, st.sampled_from("cd")),
)


@given(
    st.lists(st.tuples(CHUNKS, st.booleans()), max_size=20),
    st.integers(0, 2),
    st.integers(1, 4),
)
def test_whatever_comes_it_folds_and_nothing_is_lost(
    steps: list[tuple[Chunk, bool]], parts: int, max_chars: int
) -> None:
    """Whenever it is taken: parts that were there stay, and every visible character arrives."""
    coalescer = Coalescer(parts=parts, max_chars=max_chars)
    bodies: list[Body] = []
    for chunk, is_taken in steps:
        coalescer.add(chunk)
        bodies += coalescer.take().bodies if is_taken else []
    bodies += coalescer.finish().bodies
    for body in bodies:
        if isinstance(body, Delta):
            assert 0 < len(body.text) <= max_chars
            assert clean_text(body.text) == body.text
    after = folded(bodies, parts)
    assert [part["text"] for part in after[:parts]] == [f"old {n}" for n in range(parts)]
    seen = "".join(str(part["text"]) for part in after[parts:] if part["kind"] == "text")
    said = [chunk.text if isinstance(chunk, TextChunk) else None for chunk, _ in steps]
    assert seen == "".join(clean_text(run) for run in _runs(said))


def _runs(pieces: list[str | None]) -> list[str]:
    """Join neighbours; another chunk between two texts ends the first (a pair is not joined)."""
    runs = [""]
    for piece in pieces:
        if piece is None:
            runs.append("")
        else:
            runs[-1] += piece
    return runs


def test_what_no_cursor_covers_waits_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """L15: the committed text ends at the committed cursor."""
    monkeypatch.setattr(coalesce, "MAX_UNCOVERED_CHARS", 10)
    coalescer = Coalescer(parts=0, max_chars=1000)
    first = UpstreamChunk(handle={}, cursor=0)
    coalescer.add(first)
    assert coalescer.take().upstream == first
    coalescer.add(text("abc"))
    assert coalescer.is_empty
    coalescer.add(UpstreamChunk(handle={}, cursor=1))
    taken = coalescer.take()
    assert (list(taken.bodies), taken.upstream) == (
        [delta(0, "abc")],
        UpstreamChunk(handle={}, cursor=1),
    )
    coalescer.add(text("lost"))
    coalescer.drop_uncovered()
    assert list(coalescer.finish().bodies) == []
    with pytest.raises(BadRequest, match="without a cursor"):
        coalescer.add(text("more than ten"))
