"""The copy of a thread in a notebook: kernel and page write the same, bounded and timeless.

``tests/vectors/snapshots/cases.json`` is for both: ``content`` is repeated ``times``; ``parts`` are
those beside the text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.kernel.output import MAX_SNAPSHOT_BYTES, MIME, bundle, snapshot

CASES = json.loads(
    (Path(__file__).parents[1] / "vectors" / "snapshots" / "cases.json").read_text("utf-8")
)


def whole(message: dict[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {"id": None, "parent_id": None, "parts": []}
    return {**rest, **message, "content": message["content"] * message["times"]}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_copy_is_what_the_shared_cases_say(case: dict[str, Any]) -> None:
    messages = [whole(message) for message in case["messages"]]
    assert snapshot(messages) == case["markdown"]
    assert snapshot(messages, markdown=False) == case["plain"]
    assert len(case["markdown"].encode()) <= MAX_SNAPSHOT_BYTES


def test_the_bundle_names_thread_and_run_and_nothing_else() -> None:
    messages = [whole(message) for message in CASES[0]["messages"]]
    assert bundle("t", messages)[MIME] == {"thread": "t"}
    assert bundle("t", messages, "r")[MIME] == {"thread": "t", "run": "r"}
