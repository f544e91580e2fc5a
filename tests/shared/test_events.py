"""Events on the wire: one form, byte for byte, and an edge that reads what others wrote."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chat_stream.shared.errors import InvalidInput
from jupyter_chat_stream.shared.events import (
    BODIES,
    Body,
    Completed,
    Delta,
    Event,
    Failed,
    Finalized,
    InputGiven,
    InputRequested,
    MessageWritten,
    StatusChanged,
    ThreadChanged,
    ToolAllowed,
    ToolClaimed,
    ToolOutputAdded,
    ToolReturned,
    ToolStarted,
    Unknown,
    canonical,
    clean_json,
    clean_text,
    dumps,
    encode,
    from_iso,
    iso,
    parse,
    to_wire,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.text("abc-_é🧮", min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
TIMES = st.integers(0, 4_102_444_800_000)
MAYBE_TIME = st.none() | TIMES.map(iso)
UNKNOWN_FIELDS = st.dictionaries(
    TEXTS.filter(
        lambda n: n not in ("seq", "type", "thread_id", "at", "run_id", "message_id", "attempt")
    ),
    JSON,
    max_size=3,
)
BODY: st.SearchStrategy[Body] = st.one_of(
    st.builds(MessageWritten, message=OBJECTS, continues=st.none() | NAMES),
    st.builds(StatusChanged, phase=NAMES, detail=st.none() | TEXTS, until=MAYBE_TIME),
    st.builds(Delta, part=st.integers(0, 9), kind=NAMES, text=TEXTS),
    st.builds(
        ToolStarted,
        part=st.integers(0, 9),
        tool_call_id=NAMES,
        name=NAMES,
        input=OBJECTS,
        where=st.none() | NAMES,
        effect=st.none() | NAMES,
        expires_at=MAYBE_TIME,
    ),
    st.builds(ToolAllowed, tool_call_id=NAMES, consent=NAMES, by=st.none() | NAMES),
    st.builds(
        ToolClaimed, tool_call_id=NAMES, executor=st.none() | NAMES, job_id=st.none() | NAMES
    ),
    st.builds(ToolOutputAdded, tool_call_id=NAMES, text=TEXTS),
    st.builds(
        ToolReturned,
        tool_call_id=NAMES,
        name=NAMES,
        success=st.booleans(),
        output=JSON,
        job_id=st.none() | NAMES,
        reason=st.none() | NAMES,
    ),
    st.builds(
        InputRequested,
        request_id=NAMES,
        prompt=TEXTS,
        choices=st.none() | st.lists(TEXTS, max_size=3).map(tuple),
        expires_at=MAYBE_TIME,
        kind=st.none() | NAMES,
        tool_call_id=st.none() | NAMES,
    ),
    st.builds(InputGiven, request_id=NAMES, value=JSON, by=NAMES),
    st.builds(
        Completed,
        content=TEXTS,
        usage=st.none() | OBJECTS,
        stop_reason=st.none() | NAMES,
        model=st.none() | NAMES,
    ),
    st.builds(Failed, code=NAMES, message=TEXTS, retryable=st.booleans()),
    st.builds(Finalized, status=NAMES),
    st.builds(ThreadChanged, thread=OBJECTS),
    st.builds(Unknown, type=NAMES, fields=UNKNOWN_FIELDS),
)
EVENTS = st.builds(
    Event,
    seq=st.integers(1, 2**31),
    thread_id=NAMES,
    at=TIMES,
    body=BODY,
    run_id=st.none() | NAMES,
    message_id=st.none() | NAMES,
    attempt=st.none() | st.integers(0, 99),
)


@given(EVENTS)
def test_an_event_is_encoded_as_its_wire_object_byte_for_byte(event: Event) -> None:
    """One form for every reader: the fast path for deltas may not differ from the plain one."""
    assert encode(event) == dumps(to_wire(event))


@given(EVENTS)
def test_what_was_encoded_parses_to_the_same_event(event: Event) -> None:
    assert parse(json.loads(encode(event))) == event


def test_the_strategy_above_builds_every_type_of_body() -> None:
    assert {name for name, _ in BODIES.items()} == {
        "complete",
        "delta",
        "error",
        "finalized",
        "input",
        "input_request",
        "message",
        "note",
        "status",
        "thread",
        "tool_allowed",
        "tool_claimed",
        "tool_output",
        "tool_result",
        "tool_start",
    }


@given(TIMES)
def test_a_time_survives_the_wire(ms: int) -> None:
    text = iso(ms)
    assert from_iso(text) == ms
    assert len(text) == len("2026-11-20T09:14:28.123Z")
    assert text.endswith("Z")


def test_times_are_utc_to_the_millisecond() -> None:
    at = datetime(2026, 11, 20, 9, 14, 28, 123_000, UTC)
    assert iso(round(at.timestamp() * 1000)) == "2026-11-20T09:14:28.123Z"
    assert from_iso("2026-11-20T10:14:28.123+01:00") == from_iso("2026-11-20T09:14:28.123Z")
    assert from_iso("2026-11-20T09:14:28z") == from_iso("2026-11-20T09:14:28.000Z")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-20T09:14:28", 1763630068, None])
def test_what_is_no_time_or_has_no_zone_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInput):
        from_iso(text)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2030-01-31T18:00Z", "2030-01-31T18:00:00.000Z"),
        ("2030-01-31 18:00:00+00:00", "2030-01-31T18:00:00.000Z"),
        ("2030-01-31t18:00:00.5z", "2030-01-31T18:00:00.500Z"),
        ("2030-01-31T18:00:00.123456789Z", "2030-01-31T18:00:00.123Z"),
        ("2030-01-31T18:00:00.0006-05:30", "2030-01-31T23:30:00.001Z"),
    ],
)
def test_a_time_may_be_written_in_these_ways(text: str, same: str) -> None:
    """In all Pythons the same ones."""
    assert iso(from_iso(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-31T18Z",
        "20300131T180000Z",
        "2030-W05-4T18:00:00Z",
        "2030-01-31T18:00:00.Z",
        "2030-01-31T18:00:00.1234567890Z",
        "2030-01-31T18:00:00+0100",
        "2030-01-31T18:00:00+01",
        "2030-01-31x18:00:00Z",
        "2030-01-31T18:00:00Z\n",
        "2030-02-30T18:00:00Z",
        "2030-01-31T24:30:00Z",
        "٢٠٣٠-01-31T18:00:00Z",
        "2030-01-31",
        "",
    ],
)
def test_no_time_is_read_that_only_some_pythons_read(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a time in ISO 8601"):
        from_iso(text)


STATUS = {"seq": 4, "type": "status", "thread_id": "t", "at": iso(0), "phase": "thinking"}


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {k: v for k, v in STATUS.items() if k != "seq"},
        {k: v for k, v in STATUS.items() if k != "type"},
        {k: v for k, v in STATUS.items() if k != "thread_id"},
        {k: v for k, v in STATUS.items() if k != "at"},
        {k: v for k, v in STATUS.items() if k != "phase"},
        {**STATUS, "seq": "four"},
        {**STATUS, "at": "noon"},
        {**STATUS, "type": ["status"]},
        "status",
        None,
        [STATUS],
    ],
)
def test_what_is_no_event_is_refused(wire: Any) -> None:
    with pytest.raises(InvalidInput):
        parse(wire)


def test_unknown_types_and_fields_are_kept_apart_from_what_is_known() -> None:
    known = parse({**STATUS, "mood": "good"})
    assert known.body == StatusChanged(phase="thinking")
    unknown = parse({**STATUS, "type": "sparkle", "message": 3})
    assert unknown.type == "sparkle"
    assert unknown.body == Unknown(type="sparkle", fields={"phase": "thinking", "message": 3})


def test_fields_without_a_value_are_left_out_of_events() -> None:
    wire = to_wire(Event(seq=1, thread_id="t", at=0, body=StatusChanged(phase="queued")))
    assert wire == {"seq": 1, "type": "status", "thread_id": "t", "at": iso(0), "phase": "queued"}


def test_equal_values_have_equal_canonical_bytes() -> None:
    assert canonical({"b": 1, "a": [True, None]}) == canonical({"a": [True, None], "b": 1})
    assert canonical({"a": "é"}) == '{"a":"é"}'


ANY_TEXT = st.text(st.characters())  # lone surrogates and U+0000 as well


@given(ANY_TEXT)
def test_clean_text_is_what_every_database_and_wire_takes(text: str) -> None:
    clean = clean_text(text)
    clean.encode()
    assert "\x00" not in clean
    assert clean_text(clean) == clean
    if not any("\ud800" <= c <= "\udfff" or c == "\x00" for c in text):
        assert clean == text


def test_clean_text_joins_pairs_and_replaces_halves() -> None:
    assert clean_text("a\ud83e\uddee!") == "a🧮!"
    assert clean_text("\ud83e") == "\ufffd"
    assert clean_text("\uddee\ud83e") == "\ufffd\ufffd"
    assert clean_text("a\x00b") == "a\ufffdb"


def test_clean_json_cleans_every_text_and_leaves_no_number_json_does_not_have() -> None:
    dirty = {"k\ud83e": ["\x00", {"x": float("nan")}], "y": float("-inf"), "n": 1, "t": True}
    assert clean_json(dirty) == {"k\ufffd": ["\ufffd", {"x": None}], "y": None, "n": 1, "t": True}
    assert clean_json(("a", None, 2.5)) == ["a", None, 2.5]


def test_no_event_is_written_as_what_json_does_not_have() -> None:
    """A NaN on the wire would make a browser drop the whole frame."""
    body = InputGiven(request_id="q", value=float("nan"), by="me")
    with pytest.raises(ValueError, match="JSON"):
        encode(Event(seq=1, thread_id="t", at=0, body=body))
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("inf"))


def test_an_event_gives_what_it_carries_by_name() -> None:
    event: Any = Event(
        seq=7,
        thread_id="t",
        at=1_795_172_168_123,
        run_id="r",
        message_id="m",
        attempt=1,
        body=Delta(part=0, kind="text", text="Hi"),
    )
    assert (event.text, event["text"], event["seq"]) == ("Hi", "Hi", 7)
    assert event["at"] == iso(event.at)
    assert copy.deepcopy(event) == pickle.loads(pickle.dumps(event)) == event
    with pytest.raises(AttributeError, match="'delta' event carries no 'phase'"):
        event.phase  # noqa: B018
    body = Unknown(type="new", fields={"colour": "red"})
    unknown: Any = Event(seq=8, thread_id="t", at=0, body=body)
    assert (unknown.colour, unknown["colour"]) == ("red", "red")
