"""The vectors that Python and TypeScript share, run by the Python fold (L6, L7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import FoldError
from jupyter_chat_stream.shared.events import BODIES, canonical, encode, parse
from jupyter_chat_stream.shared.fold import Transcript

FOLDER = Path(__file__).parent.parent / "vectors"
VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
GOOD = [name for name, vector in VECTORS.items() if "state" in vector]
MISFITS = [name for name, vector in VECTORS.items() if "error_at" in vector]
WITH_CUTS = [name for name in GOOD if "cuts" in VECTORS[name]]


def folded(events: list[dict[str, Any]], transcript: Transcript | None = None) -> Transcript:
    transcript = transcript or Transcript()
    for event in events:
        transcript.apply(parse(event))
    return transcript


@pytest.mark.parametrize("name", GOOD)
def test_the_fold_of_the_events_is_the_state(name: str) -> None:
    vector = VECTORS[name]
    assert canonical(folded(vector["events"]).state()) == canonical(vector["state"])


@pytest.mark.parametrize("name", GOOD)
def test_looking_at_the_state_after_every_event_changes_nothing(name: str) -> None:
    transcript = Transcript()
    for event in VECTORS[name]["events"]:
        transcript.apply(parse(event))
        transcript.state()
    assert canonical(transcript.state()) == canonical(VECTORS[name]["state"])


@pytest.mark.parametrize("name", GOOD)
def test_every_event_may_come_twice(name: str) -> None:
    """L6: a reader that reconnects sees events again, and they change nothing."""
    vector = VECTORS[name]
    transcript = Transcript()
    for index in range(len(vector["events"])):
        folded(vector["events"][max(0, index - 3) : index + 1], transcript)
    assert canonical(transcript.state()) == canonical(vector["state"])


@pytest.mark.parametrize("name", WITH_CUTS)
def test_a_snapshot_and_the_rest_give_the_same_state(name: str) -> None:
    """L6: state up to c, then the snapshot at S, then what comes after S."""
    vector = VECTORS[name]
    for cut in vector["cuts"]:
        transcript = folded(vector["events"][: cut["at"]])
        transcript.replace(cut["snapshot"])
        assert transcript.seq == cut["snapshot"]["seq"]
        folded(cut["rest"], transcript)
        assert canonical(transcript.state()) == canonical(vector["state"]), cut["at"]


@pytest.mark.parametrize("name", MISFITS)
def test_an_event_that_cannot_fit_is_refused_and_the_cursor_stays(name: str) -> None:
    vector = VECTORS[name]
    before = [event for event in vector["events"] if event["seq"] < vector["error_at"]]
    misfit = vector["events"][len(before)]
    for looks in (False, True):  # whether a look has joined the text before makes no difference
        transcript = folded(before)
        if looks:
            transcript.state()
        with pytest.raises(FoldError) as refused:
            transcript.apply(parse(misfit))
        assert refused.value.facts["seq"] == vector["error_at"]
        assert transcript.seq == vector["error_at"] - 1


@pytest.mark.parametrize("name", GOOD)
def test_events_come_off_the_wire_and_go_back_unchanged(name: str) -> None:
    for wire in VECTORS[name]["events"]:
        event = parse(wire)
        again = json.loads(encode(event))
        assert parse(again) == event
        assert again == {key: wire[key] for key in again}


def test_the_vectors_cover_every_type_of_event_and_an_unknown_one() -> None:
    seen = {event["type"] for vector in VECTORS.values() for event in vector["events"]}
    assert seen >= set(BODIES)
    assert seen - set(BODIES)


def test_a_vector_has_the_name_of_its_file_and_one_outcome() -> None:
    for stem, vector in VECTORS.items():
        assert vector["name"] == stem
        assert ("state" in vector) != ("error_at" in vector)
