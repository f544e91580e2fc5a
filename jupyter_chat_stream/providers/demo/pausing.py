"""The demo models that pause: ``ask`` asks a person twice, ``wait`` sleeps once.

A script lists the steps of the whole answer, up to the first unanswered question. It is a pure
function of the prompt, so every attempt takes the same steps and skips the existing text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...shared.events import iso
from ..base import AskChunk, Prompt, SleepChunk
from .answers import LABEL
from .params import DemoParams

MAX_SHOWN_CHARS = 200

SEASONS = ("spring", "summer", "autumn", "winter")

DemoStep = str | AskChunk | SleepChunk


def script(prompt: Prompt, params: DemoParams) -> list[DemoStep]:
    """Return the steps of an answer, up to the first unanswered question."""
    steps: list[DemoStep] = []
    question_count = 0
    for step in _ask(prompt, params) if prompt.model == "ask" else _wait(prompt, params):
        if isinstance(step, AskChunk):
            question_count += 1
            if question_count <= len(prompt.answers):
                continue
        steps.append(step)
        if isinstance(step, AskChunk):
            break
    return steps


def _ask(prompt: Prompt, params: DemoParams) -> Iterator[DemoStep]:
    replies = [_show(answer.value) for answer in prompt.answers]
    yield (
        LABEL + "## A little report\n\nTwo questions first. I can wait for days: while I do, "
        "nothing runs, and you may close everything.\n\n"
    )
    yield AskChunk(
        prompt="Which season shall the report be about?",
        choices=SEASONS,
        expires_in_s=params.expires_in_s,
    )
    yield f"**{replies[0]}** it is.\n\n"
    yield AskChunk(prompt="Who is it for?", expires_in_s=params.expires_in_s)
    yield (
        f"### The {replies[0]} report, for {replies[1]}\n\n"
        f"Everything went as it does in {replies[0]}.\n"
    )


def _wait(prompt: Prompt, params: DemoParams) -> Iterator[DemoStep]:
    until_ms = params.until_ms
    if until_ms is None:
        until_ms = prompt.begun_at_ms + int(params.wait_s * 1000)
    yield LABEL + "I wait now, and hold nothing meanwhile: no task, no memory, no connection.\n\n"
    yield SleepChunk(until_ms=until_ms, reason=f"asked to wait until {iso(until_ms)}")
    yield "Here I am again, and I go on where I was.\n"


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"
