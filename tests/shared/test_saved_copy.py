"""The copy of a thread in a notebook: bounded and timeless.

In ``tests/vectors/snapshots/cases.json``, ``content`` is repeated ``times``; ``parts`` are those
beside the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.shared.saved_copy import MAX_SNAPSHOT_BYTES, join_newest, snapshot

CASES = json.loads(
    (Path(__file__).parents[1] / "vectors" / "snapshots" / "cases.json").read_text("utf-8")
)


def whole(message: dict[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {"id": None, "parent_id": None, "parts": []}
    return {**rest, **message, "content": message["content"] * message["times"]}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_copy_is_what_the_cases_say(case: dict[str, Any]) -> None:
    messages = [whole(message) for message in case["messages"]]
    assert snapshot(messages) == case["markdown"]
    assert snapshot(messages, markdown=False) == case["plain"]
    assert len(case["markdown"].encode()) <= MAX_SNAPSHOT_BYTES


@pytest.mark.parametrize("markdown", [True, False])
def test_a_copy_reads_one_message_more_than_it_keeps(markdown: bool) -> None:
    def newest_first() -> Iterator[Any]:
        yield whole(CASES[0]["messages"][1])
        yield whole({**CASES[0]["messages"][0], "content": "x" * MAX_SNAPSHOT_BYTES})
        pytest.fail("a third message was read")

    assert join_newest(newest_first(), markdown=markdown).startswith("*(what came before")
