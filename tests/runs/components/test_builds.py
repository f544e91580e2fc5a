"""Builds of components: runs beside the queue, whose versions are tried after a consent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_chat_stream.runs.components.builds import MAX_TRIES, code_of
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.runs.tools.build_component import file_name
from jupyter_chat_stream.shared.errors import RunBegun, TooManyBuilds
from jupyter_chat_stream.store.chat.builds import MAX_OPEN_BUILDS
from tests.fixtures import MakeHarness
from tests.runs.calls import Executor, columns, open_question, results
from tests.runs.components.building import (
    BROKEN,
    TRACEBACK,
    WORKS,
    ComponentModel,
    build_of,
    building,
)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where the harness keeps its threads: both databases obey the same laws."""
    if request.param == "sqlite":
        return {}
    return {"url": request.getfixturevalue("postgres_url")}


async def test_a_build_repairs_its_versions_and_its_answer_gets_the_one_that_works(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L10, L12, L13: each version asks with its own code; the answer waits and holds nothing."""
    model = ComponentModel(BROKEN, WORKS, name="My slider")
    harness, thread, run, kernels = await building(make_harness, model, **database)
    assert await columns(harness, run) == ("waiting", None)
    build = await harness.execute()
    assert build.id == (await build_of(harness, run)).id
    question = await open_question(harness, build)
    call = (await harness.reply(build))["parts"][1]
    assert question["tool_call_id"] == call["tool_call_id"]
    assert call["input"]["code"] == BROKEN.strip()
    assert (call["effect"], kernels.tried) == ("run", [])
    person = Executor(harness, build)
    await person.answer("once")
    await harness.execute()
    assert kernels.tried == [BROKEN.strip()]
    asked = await open_question(harness, build)
    assert asked["request_id"] != question["request_id"], "the repaired version asks again"
    assert "has no attribute" in str(harness.provider.prompts[-1].turns)
    await person.answer("once")
    await harness.execute()
    assert (await harness.run(build))["status"] == "completed"
    await harness.execute()
    assert kernels.tried == [BROKEN.strip(), WORKS.strip()]
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("completed", "Done.")
    found = (await results(harness, run))["a"]
    assert (found["success"], found["output"]["status"]) == (True, "built")
    assert found["output"]["file"] == "my_slider.py"
    [file] = found["attachments"]
    assert (file["name"], file["type"]) == ("my_slider.py", "text/x-python")
    data = await harness.chat_store.attachments.content("local", file["id"])
    assert data.decode() == WORKS.strip()
    usage = (await harness.reply(build))["usage"]
    assert usage["output_tokens"] == 2 * 4, "both versions are counted"
    assert thread.id == (await harness.run(build))["thread_id"]


async def test_a_build_that_nobody_waits_for_outlives_its_answer(
    make_harness: MakeHarness,
) -> None:
    """L4, L12: the call has its result at once, and no event follows the answer's end."""
    model = ComponentModel(WORKS, wait=False)
    harness, thread, run, _ = await building(make_harness, model)
    assert (await harness.run(run))["status"] == "completed"
    build = await build_of(harness, run)
    found = (await results(harness, run))["a"]
    assert found["output"] == {"job_id": build.id, "status": "building"}
    assert found["job_id"] == build.id
    later = await harness.send(thread, "Another question")
    assert (await harness.execute()).id == build.id
    await Executor(harness, build).answer("thread")
    done = {(await harness.execute()).id, (await harness.execute()).id}
    assert done == {later.id, build.id}, "neither waits for the other"
    [file] = list((await results(harness, build)).values())[-1]["attachments"]
    assert file["name"] == "a_slider.py"
    assert (await harness.state(thread))["info"]["head"] == later.message_id
    told = [event.type for event in await harness.events(thread) if event.run_id == run.id]
    assert told[-1] == "finalized"


async def test_a_standing_consent_covers_every_version(make_harness: MakeHarness) -> None:
    """L13: the consent to the tool's tests stands in the log, and each version with it."""
    model = ComponentModel(BROKEN, BROKEN.replace("Slide", "Slid"), WORKS)
    harness, _, run, kernels = await building(make_harness, model)
    build = await harness.execute()
    await Executor(harness, build).answer("thread")
    await harness.execute()
    assert len(kernels.tried) == 3
    calls = [part for part in (await harness.reply(build))["parts"] if part["kind"] == "tool_call"]
    assert [call["allowed"]["consent"] for call in calls] == ["thread", "thread", "thread"]
    assert [call["input"]["code"] for call in calls] == kernels.tried
    await harness.execute()
    assert (await results(harness, run))["a"]["success"]


@pytest.mark.parametrize(
    ("mode", "answer", "status"), [("ask", "no", "refused"), ("read_only", None, "denied")]
)
async def test_without_a_consent_nothing_runs_and_the_build_ends(
    mode: str, answer: str | None, status: str, make_harness: MakeHarness
) -> None:
    """L13: no second version is written for a person who has said no."""
    model = ComponentModel(WORKS)
    harness, _, run, kernels = await building(make_harness, model, mode=mode)
    build = await harness.execute()
    if answer is not None:
        await Executor(harness, build).answer(answer)
        await harness.execute()
    await harness.execute()
    found = (await results(harness, run))["a"]
    assert (found["success"], found["output"]["status"]) == (False, status)
    assert (kernels.tried, model.written) == ([], 1)


async def test_a_build_gives_up_after_its_tries(make_harness: MakeHarness) -> None:
    model = ComponentModel(*[BROKEN] * (MAX_TRIES + 1))
    harness, _, run, kernels = await building(make_harness, model)
    build = await harness.execute()
    await Executor(harness, build).answer("thread")
    await harness.execute()
    await harness.execute()
    found = (await results(harness, run))["a"]
    assert not found["success"]
    assert TRACEBACK in str(found["output"]["error"])
    assert len(kernels.tried) == MAX_TRIES == model.written
    note = (await harness.reply(build))["parts"][-1]
    assert (note["kind"], "3 were tried" in note["text"]) == ("note", True)


async def test_an_answer_without_code_ends_the_build(make_harness: MakeHarness) -> None:
    model = ComponentModel()
    model.versions = ["I would rather not."]
    harness, _, run, kernels = await building(make_harness, model)
    await harness.execute()
    await harness.execute()
    found = (await results(harness, run))["a"]
    assert (found["success"], found["output"]["error"]) == (False, "The model wrote no code.")
    assert kernels.tried == []


async def test_stop_of_an_answer_ends_the_build_that_it_waits_for(
    make_harness: MakeHarness,
) -> None:
    """L4, L10: and cancelling the build alone lets the answer go on."""
    harness, _, run, _ = await building(make_harness, ComponentModel(WORKS))
    build = await build_of(harness, run)
    await harness.cancel(run)
    assert (await harness.run(build))["status"] == "cancelled"
    with pytest.raises(RunBegun):
        await harness.chat_store.runs.withdraw("local", build.id)


async def test_a_build_that_is_cancelled_lets_its_answer_go_on(
    make_harness: MakeHarness,
) -> None:
    """L10: also from the scratch kernel, where the attempt that tries the cell is ended."""
    harness, _, run, kernels = await building(make_harness, ComponentModel(WORKS))
    build = await harness.execute()
    await Executor(harness, build).answer("once")
    reached = asyncio.Event()

    async def for_ever() -> None:
        reached.set()
        await asyncio.Event().wait()

    kernels.before = for_ever
    execution = Execution(harness.services, await harness.claim())
    trying = asyncio.ensure_future(execution.run())
    await harness.bounded(reached.wait())
    execution.stop("cancelled")
    await harness.bounded(trying)
    assert (await harness.run(build))["status"] == "cancelled"
    await harness.execute()
    found = (await results(harness, run))["a"]
    assert (found["success"], found["output"]["status"]) == (False, "cancelled")
    assert (await harness.reply(run))["content"] == "Done."


async def test_a_version_that_is_written_is_not_written_again(make_harness: MakeHarness) -> None:
    """L14: the process dies while it tries a version; the next one tries the same version."""
    model = ComponentModel(WORKS)
    harness, _, run, kernels = await building(make_harness, model)
    build = await harness.execute()
    await Executor(harness, build).answer("once")
    claimed = await harness.claim("a dead process")
    reached = asyncio.Event()

    async def for_ever() -> None:
        reached.set()
        await asyncio.Event().wait()

    kernels.before = for_ever
    trying = asyncio.ensure_future(Execution(harness.services, claimed).run())
    await harness.bounded(reached.wait())
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    kernels.before = lambda: None
    await harness.execute()
    assert (kernels.tried, model.written) == ([WORKS.strip()] * 2, 1)
    await harness.execute()
    assert (await results(harness, run))["a"]["success"]


async def test_a_build_of_another_thread_does_not_exist(make_harness: MakeHarness) -> None:
    """L16: for a model that asks for its state, and for one that would cancel it."""
    harness, _, run, _ = await building(make_harness, ComponentModel(WORKS, wait=False))
    build = await build_of(harness, run)
    for operation in ("status", "cancel"):
        other = await harness.thread()
        tools = {"mode": "ask", "names": ["build_component"]}
        await harness.chat_store.threads.change("local", other.id, {"tools": tools})
        model = ComponentModel(WORKS, operation=operation, job_id=build.id)
        model._build.pop("description")
        harness.provider._default = model
        asked = await harness.send(other)
        while (await harness.execute()).id != asked.id:
            pass  # the build itself is due, too
        found = (await results(harness, asked))["a"]
        assert not found["success"]
        assert "builds nothing under" in found["output"]
    assert (await harness.run(build))["status"] == "waiting"


async def test_the_model_can_ask_for_the_state_and_cancel(make_harness: MakeHarness) -> None:
    harness, thread, _, _ = await building(make_harness, ComponentModel(WORKS, wait=False))
    build = await harness.execute()
    outputs = []
    for operation in ("status", "cancel", "status"):
        model = ComponentModel(operation=operation, job_id=build.id)
        model._build.pop("description")
        harness.provider._default = model
        asked = await harness.send(thread, operation)
        assert (await harness.execute()).id == asked.id
        outputs.append((await results(harness, asked))["a"]["output"])
    assert outputs[0]["step"] == "trying a version"
    assert outputs[1] == {"job_id": build.id, "cancelled": True}
    assert outputs[2]["status"] == "cancelled"


async def test_a_thread_builds_only_so_much_at_once(make_harness: MakeHarness) -> None:
    harness, thread, _, _ = await building(make_harness, ComponentModel(WORKS, wait=False))
    for _ in range(MAX_OPEN_BUILDS):
        harness.provider._default = ComponentModel(WORKS, wait=False)
        last = await harness.send(thread)
        while (await harness.execute()).id != last.id:
            pass
    found = (await results(harness, last))["a"]
    assert found["output"] == TooManyBuilds(MAX_OPEN_BUILDS).message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\nx = 1\n```", "x = 1"),
        ("a\n\n~~~py\nx = 1\n~~~\nb\n```\nlonger = 12\n```", "longer = 12"),
        ("````\nprint('```')\n````", "print('```')"),
        ("import ipywidgets\nipywidgets.Text()", "import ipywidgets\nipywidgets.Text()"),
        ("```python\nx = 1", ""),
        ("No.", ""),
        ("```python\n\n```", ""),
        (f"```python\n{'x = 1 #' * 20_000}\n```", ""),
    ],
)
def test_the_code_of_an_answer_is_its_longest_whole_block(text: str, code: str) -> None:
    assert code_of(text) == code


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("My Slider.py", "my_slider"),
        ("../../etc/passwd", "etc_passwd"),
        ("3d", "c_3d"),
        ("温度", "component"),
        (None, "the_description_gives_it"),
    ],
)
def test_a_file_has_the_name_of_a_module(given: str | None, name: str) -> None:
    assert file_name(given, "The description gives it") == name


async def test_a_later_prompt_tells_that_a_build_is_not_finished(
    make_harness: MakeHarness,
) -> None:
    """A version that waits for its consent has no result: the prompt leaves the call out."""
    harness, thread, _, _ = await building(make_harness, ComponentModel(WORKS, wait=False))
    await harness.execute()
    harness.provider._default = ComponentModel()
    later = await harness.send(thread, "And now?")
    await harness.execute()
    first = next(each for each in harness.provider.prompts if "And now?" in str(each.turns))
    told = str(first.turns)
    assert "[This is not finished yet.]" in told
    assert "interrupted" not in told
    assert (await harness.run(later))["status"] != "failed"
