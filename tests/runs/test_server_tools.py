"""The tools that a server has of its own: ``ask_person`` and ``wait_until``."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.providers.base import Answered, AskChunk, SleepChunk
from jupyter_chat_stream.providers.demo import DemoProvider
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.runs.pauses import MAX_CHOICES, MAX_PROMPT_BYTES, pause_of
from jupyter_chat_stream.runs.services import RunServices
from jupyter_chat_stream.runs.tools.ask_person import AskPerson
from jupyter_chat_stream.runs.tools.base import ToolDone, ToolOutcome
from jupyter_chat_stream.runs.tools.registry import make_server_tools
from jupyter_chat_stream.runs.tools.wait_until import WaitUntil
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.events import iso
from jupyter_chat_stream.shared.tool_definitions import check_definition
from jupyter_chat_stream.store.log.transaction import RunRef
from jupyter_chat_stream.testing import ScriptedProvider
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness
from tests.runs.calls import Executor, call, call_context, in_rounds, open_question, results

NOW = 1_800_000_000_000


async def make(
    tool: Any, answer: Answered | None = None, now_ms: int = NOW, **input_: Any
) -> ToolOutcome:
    context = call_context(started_ms=NOW, now_ms=now_ms, answer=answer)
    found: ToolOutcome = await tool.call(input_, context)
    return found


def test_their_definitions_are_ones_that_any_executor_may_offer() -> None:
    for tool in make_server_tools(ChatStream()).definitions():
        assert check_definition(dict(tool)) == tool
        assert (tool["where"], tool["source"]) == ("server", "builtin")
        assert tool["idempotent"], "asking, waiting and trying change nothing that lasts (L14)"
        runs_code = tool["name"] == "build_component"
        assert tool["effect"] == ("run" if runs_code else "read")


# ---------------------------------------------------------------------------------- ask_person


async def test_a_question_is_asked_as_it_is_and_its_answer_returned_with_its_person() -> None:
    asked = await make(AskPerson(), question="Which?", choices=["red", "blue"])
    assert asked == AskChunk(prompt="Which?", choices=("red", "blue"))
    assert await make(AskPerson(), question="Why?") == AskChunk(prompt="Why?")
    answer = Answered(prompt="Which?", value="red", by="ada")
    done = await make(AskPerson(), answer, question="Which?", choices=["red", "blue"])
    assert done == ToolDone(output={"answer": "red", "by": "ada"})


WRONG_QUESTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"question": " \n"},
    {"question": 7},
    {"question": "é" * (MAX_PROMPT_BYTES // 2 + 1)},
    {"question": "?", "choices": []},
    {"question": "?", "choices": "red"},
    {"question": "?", "choices": ["red", "red"]},
    {"question": "?", "choices": ["red", 3]},
    {"question": "?", "choices": ["red", " "]},
    {"question": "?", "choices": ["x" * 201]},
    {"question": "?", "choices": [str(n) for n in range(MAX_CHOICES + 1)]},
)


@pytest.mark.parametrize("input_", WRONG_QUESTIONS)
async def test_a_question_that_cannot_be_asked_fails_its_call_with_a_sentence(input_: Any) -> None:
    done = await make(AskPerson(), **input_)
    assert isinstance(done, ToolDone)
    assert not done.success
    assert str(done.output).endswith(".")


@pytest.mark.parametrize("chars", [1, MAX_PROMPT_BYTES])
async def test_every_question_that_passes_can_be_put_into_the_log(chars: int) -> None:
    choices = [f"{n:0>200}" for n in range(MAX_CHOICES)]
    asked = await make(AskPerson(), question="q" * chars, choices=choices)
    assert isinstance(asked, AskChunk)
    assert pause_of(asked, now_ms=NOW, request_id="r") is not None


# ---------------------------------------------------------------------------------- wait_until


@pytest.mark.parametrize("given", [{"seconds": 90}, {"until": iso(NOW + 90_000)}])
async def test_a_wait_ends_at_one_time_however_often_its_call_is_made(given: Any) -> None:
    """L14: the time is counted from when the call was allowed, not from now."""
    first = await make(WaitUntil(), reason="the build", **given)
    assert first == SleepChunk(until_ms=NOW + 90_000, reason="the build")
    assert await make(WaitUntil(), now_ms=NOW + 60_000, reason="the build", **given) == first
    done = await make(WaitUntil(), now_ms=NOW + 90_001, **given)
    assert done == ToolDone(output={"now": iso(NOW + 90_001)})


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"seconds": 1, "until": iso(NOW)},
        {"seconds": True},
        {"seconds": -1},
        {"seconds": float("inf")},
        {"seconds": 1e11},
        {"until": "tomorrow"},
        {"until": "2027-01-31T09:00:00"},
        {"until": 5},
        {"until": "9999-12-31T23:59:59Z"},
    ],
)
async def test_a_time_that_has_no_meaning_fails_its_call_with_a_sentence(given: Any) -> None:
    done = await make(WaitUntil(), **given)
    assert isinstance(done, ToolDone)
    assert not done.success
    assert str(done.output).endswith(".")


# ------------------------------------------------------------------------------- within a run


async def test_the_demo_asks_and_waits_by_what_the_message_says(make_harness: MakeHarness) -> None:
    """A notebook without a key shows whole rounds; each attempt is another process (L12)."""
    harness = await make_harness()
    harness.services = RunServices(
        store=harness.chat_store,
        registry=Registry([DemoProvider(pace=0)]),
        config=harness.config,
        tools=make_server_tools(harness.config),
    )
    thread = await harness.thread()
    tools = {"mode": "ask", "names": ["ask_person", "wait_until"]}
    await harness.chat_store.threads.change("local", thread.id, {"tools": tools})
    plan = 'ask_person {"question": "Which?"} then wait_until {"seconds": 60} and no_such {}'
    run = await harness.send(thread, plan, model="demo/tools")
    await harness.execute()
    await Executor(harness, run).answer("the `blue` one")
    await harness.execute()
    assert (await harness.run(run))["status"] == "waiting"
    harness.clock.advance(60_001)
    await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["stop_reason"]) == ("completed", "end_turn")
    calls = [part["name"] for part in reply["parts"] if part["kind"] == "tool_call"]
    assert calls == ["ask_person", "wait_until", "no_such"]
    assert "I call `ask_person`." in reply["content"]
    assert "the `blue` one" in reply["content"]
    assert "`no_such` failed" in reply["content"]
    assert reply["content"].count("Here is what came back") == 1


async def begun(make_harness: MakeHarness, *rounds: Any) -> tuple[RunHarness, RunRef]:
    """A run of a thread that has both tools on, after its first attempt."""
    harness = await make_harness(provider=ScriptedProvider(default=in_rounds(*rounds)))
    harness.services = RunServices(
        store=harness.chat_store,
        registry=harness.services.registry,
        config=harness.config,
        tools=make_server_tools(harness.config),
    )
    thread = await harness.thread()
    tools = {"mode": "read_only", "names": ["ask_person", "wait_until"]}
    await harness.chat_store.threads.change("local", thread.id, {"tools": tools})
    await harness.send(thread)
    return harness, await harness.execute()


async def test_a_question_waits_for_days_and_its_answer_goes_to_the_model(
    make_harness: MakeHarness,
) -> None:
    """L10, L12: nobody holds the run; another process asks nothing twice, and takes the answer."""
    asks = call("c1", "ask_person", question="Which?", choices=["red", "blue"])
    harness, run = await begun(make_harness, [asks])
    assert (await harness.run(run))["status"] == "waiting"
    assert await harness.column(run, "owner") is None
    question = await open_question(harness, run)
    assert (question["prompt"], question["choices"]) == ("Which?", ["red", "blue"])
    assert question.get("request_kind") != "consent"
    harness.clock.advance(12 * 3_600_000)
    await Executor(harness, run).answer("blue")
    assert await harness.execute() == run
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("completed", "Done.")
    asked = [part for part in reply["parts"] if part["kind"] == "input_request"]
    assert len(asked) == 1
    assert (await results(harness, run))["c1"]["output"] == {"answer": "blue", "by": "local"}
    assert harness.provider.prompts[-1].answers == ()


async def test_two_questions_of_one_message_are_both_answered(make_harness: MakeHarness) -> None:
    both = [call("c1", "ask_person", question="One?"), call("c2", "ask_person", question="Two?")]
    harness, run = await begun(make_harness, both)
    for _ in range(2):
        question = await open_question(harness, run)
        await Executor(harness, run).answer(f"of {question['prompt']}")
        await harness.execute()
    found = await results(harness, run)
    told = {id_: part["output"]["answer"] for id_, part in found.items()}
    assert told == {"c1": "of One?", "c2": "of Two?"}
    assert (await harness.reply(run))["status"] == "completed"


@pytest.mark.parametrize("seconds", [60, 2 * 86_400])
async def test_a_wait_holds_nothing_and_wakes_at_its_time(
    make_harness: MakeHarness, seconds: int
) -> None:
    """L10: also a wait that lasts longer than a call that nobody makes."""
    harness, run = await begun(make_harness, [call("c1", "wait_until", seconds=seconds)])
    assert (await harness.run(run))["status"] == "waiting"
    assert await harness.column(run, "owner") is None
    assert (await harness.run(run))["wake_at"] == iso(harness.clock() + seconds * 1000)
    harness.clock.advance(seconds * 1000 + 1)
    assert await harness.execute() == run
    ended = (await results(harness, run))["c1"]
    assert (ended["success"], ended["output"]) == (True, {"now": iso(harness.clock())})
    assert (await harness.reply(run))["status"] == "completed"
