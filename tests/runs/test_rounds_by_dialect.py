"""Whole runs with tools, by the real SDKs: the log keeps of a round what its API takes back.

The fake servers refuse what the real APIs refuse: a call without its result, thinking in a loop of
calls that does not come back unchanged, reasoning without the call that it led to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.runs.services import RunServices
from jupyter_chat_stream.runs.tools.base import ServerTools, ToolDone
from jupyter_chat_stream.testing import (
    Answer,
    FakeAnthropic,
    FakeMessages,
    FakeOpenAI,
    ToolUse,
    in_rounds,
    results_of,
    rounds_of,
)
from tests.fixtures import MakeHarness
from tests.providers import chat, claude, messages, responses
from tests.run_harness import RunHarness
from tests.runs.calls import CountingTool, results

FIRST = Answer(
    thinking="Look first.",
    redacted="Nobody reads this.",
    text="I look.",
    tools=(
        ToolUse(id="c1", name="look", input={"at": "ü 🤔"}),
        ToolUse(id="c2", name="look", raw='{"at": "df'),
        ToolUse(id="c3", name="no such tool"),
    ),
    chunk_chars=3,
)
SECOND = Answer(thinking="Again.", text="", tools=(ToolUse(id="c1", name="look"),))
THIRD = Answer(thinking="Enough.", text="It is three, and no more.", chunk_chars=2)
DIALECTS = ("claude", "messages", "chat", "responses")


@pytest.fixture(params=DIALECTS)
async def asked(
    request: pytest.FixtureRequest, tmp_path: Path, make_harness: MakeHarness
) -> AsyncIterator[tuple[RunHarness, Any, dict[str, Any]]]:
    """A harness whose runs ask a fake server, the server, and the fields of a reply for it."""
    with ExitStack() as stack:
        reply: dict[str, Any] = {"model": "lab/tiny"}
        if request.param == "claude":
            server: Any = stack.enter_context(FakeAnthropic())
            provider: Any = claude.make_provider(server.url, tmp_path)
            thinking = {"thinking": {"budget_tokens": 1024}}
            reply = {"model": "anthropic/claude-haiku-4-5", "params": {"params": thinking}}
        elif request.param == "messages":
            server = stack.enter_context(FakeMessages())
            provider = messages.make_provider(server.url)
        else:
            server = stack.enter_context(FakeOpenAI(models=(responses.THINKER,)))
            made: Any = responses if request.param == "responses" else chat
            provider = made.make_provider(server.base_url)
        harness = await make_harness()
        look = CountingTool("look", ToolDone(output={"rows": 3}))
        harness.services = RunServices(
            store=harness.chat_store,
            registry=Registry([provider]),
            config=harness.config,
            tools=ServerTools(look),
        )
        yield harness, server, reply
        await provider.close()


async def test_rounds_go_on_over_a_crash_in_the_last_one(
    asked: tuple[RunHarness, Any, dict[str, Any]], no_backoff: None
) -> None:
    """L12, L15: nothing is called twice, the text has no seam, and a later message reads all."""
    harness, server, reply = asked
    server.set_default(in_rounds(FIRST, SECOND, THIRD))
    server.add(FIRST, SECOND, Answer(**{**vars(THIRD), "fault": "drop", "after_chunks": 8}))
    thread = await harness.thread()
    tools = {"mode": "ask", "names": ["look"]}
    await harness.chat_store.threads.change("local", thread.id, {"tools": tools})
    run = await harness.send(thread, "Sum?", **reply)
    await harness.execute()

    answer = await harness.reply(run)
    assert (answer["status"], answer["error"]) == ("completed", None)
    assert answer["content"] == "I look.\n\nIt is three, and no more."
    found = await results(harness, run)
    assert [part["success"] for part in found.values()].count(True) == 2
    assert len(found) == 4
    assert "not a JSON object" in found["c2"]["output"]
    assert "no tool of this name" in found["c3"]["output"]
    wrong = [request.body for request in server.requests if request.state not in ("done", "failed")]
    assert not wrong
    assert rounds_of(server.requests[-1].body) == 2
    told = results_of(server.requests[-1].body)
    assert [success for success, _ in told.values()].count(False) == 2

    server.set_default(Answer(text="Yes."))
    again = await harness.send(thread, "And?", **reply)
    await harness.execute()
    assert (await harness.reply(again))["content"] == "Yes."
    assert len(results_of(server.requests[-1].body)) == 4
    assert "three, and no more." in str(server.requests[-1].body)
