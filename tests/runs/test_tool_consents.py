"""What stands before a tool call: consents, modes, lists, and inputs that do not fit (L13, L16)."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import (
    ConsentNeeded,
    InvalidInput,
    RunNotFound,
    ToolCallNotFound,
)
from jupyter_chat_stream.shared.tool_definitions import digest_of
from tests.fixtures import MakeHarness
from tests.runs.calls import (
    ROUND,
    Executor,
    begun,
    call,
    columns,
    offer,
    open_question,
    results,
    tool,
)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where the harness keeps its threads: both databases obey the same laws."""
    if request.param == "sqlite":
        return {}
    return {"url": request.getfixturevalue("postgres_url")}


async def test_nothing_that_runs_or_changes_is_claimed_before_a_consent_stands_in_the_log(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L13: the question names the call; the permission names the person."""
    harness, _, run = await begun(
        make_harness, [call("c1", "run", code="1")], tools=[tool("run", "run")], **database
    )
    kernel = Executor(harness, run)
    with pytest.raises(ConsentNeeded):
        await kernel.claim("c1")
    question = await open_question(harness, run)
    assert (question["tool_call_id"], question["request_kind"]) == ("c1", "consent")
    assert question["choices"] == ["once", "thread", "always", "no"]
    with pytest.raises(InvalidInput):
        await kernel.answer("yes")
    await kernel.answer("once")
    with pytest.raises(ConsentNeeded):  # the word was given; the log does not tell it yet
        await kernel.claim("c1")
    await harness.execute()
    await kernel.make("c1", "1")
    types = await harness.types(run)
    assert types.index("input") < types.index("tool_allowed") < types.index("tool_claimed")
    allowed = (await harness.reply(run))["parts"][0]["allowed"]
    assert (allowed["consent"], allowed["by"]) == ("once", "local")
    assert await harness.chat_store.tools.list_consents("local") == []


async def test_a_no_goes_to_the_model_with_the_persons_words(make_harness: MakeHarness) -> None:
    """L13"""
    harness, _, run = await begun(make_harness, [call("c1", "run")], tools=[tool("run", "run")])
    kernel = Executor(harness, run)
    with pytest.raises(InvalidInput):
        await kernel.answer({"choice": "no", "words": "x" * 5000})
    with pytest.raises(InvalidInput):
        await kernel.answer({"choice": "always", "words": "yes"})
    await kernel.answer({"choice": "no", "words": "Not on my data."})
    await harness.execute()
    refused = (await results(harness, run))["c1"]
    assert (refused["success"], refused["reason"]) == (False, "refused")
    assert "Not on my data." in refused["output"]
    assert (await harness.reply(run))["status"] == "completed"


async def test_a_person_accepts_parts_of_a_call_and_the_log_names_them_before_it_is_made(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L13: the permission tells exactly what may be made; the executor reads it there."""
    tools = [tool("edit", "change", partial=True)]
    harness, _, run = await begun(make_harness, [call("c1", "edit")], tools=tools, **database)
    page = Executor(harness, run)
    question = await open_question(harness, run)
    assert question["choices"] == ["once", "some", "thread", "always", "no"]
    too_many = [str(number) for number in range(401)]
    for value in (
        "some",
        {"choice": "some"},
        *({"choice": "some", "accepted": parts} for parts in ([], ["a", "a"], [""], [7], "a")),
        {"choice": "some", "accepted": ["x" * 201]},
        {"choice": "some", "accepted": too_many},
        {"choice": "always", "accepted": ["a"]},
        {"choice": "some", "accepted": ["a"], "words": "and so on"},
    ):
        with pytest.raises(InvalidInput):
            await page.answer(value)
    await page.answer({"choice": "some", "accepted": ["cell-2", "cell-1"]})
    await harness.execute()
    allowed = (await harness.reply(run))["parts"][0]["allowed"]
    assert (allowed["consent"], allowed["accepted"]) == ("once", ["cell-2", "cell-1"])
    assert await harness.chat_store.tools.list_consents("local") == []
    await page.make("c1", "1")


async def test_a_call_of_another_tool_is_not_accepted_in_part(make_harness: MakeHarness) -> None:
    """L13: its executor would make all of the call."""
    harness, _, run = await begun(
        make_harness, [call("c1", "edit")], tools=[tool("edit", "change")]
    )
    with pytest.raises(InvalidInput):
        await Executor(harness, run).answer({"choice": "some", "accepted": ["a"]})


@pytest.mark.parametrize("word", ["thread", "always"])
async def test_a_standing_consent_opens_the_same_tool_and_no_other(
    database: dict[str, Any], make_harness: MakeHarness, word: str
) -> None:
    """L13: another operation, tool, definition, person or thread is asked about again."""
    operations = {"run": "run", "drop": "run"}
    kernel_tool = tool("kernel", "run", operations=operations)
    harness, thread, run = await begun(
        make_harness,
        [call("c1", "kernel", operation="run")],
        [call("c2", "kernel", operation="run"), call("c3", "kernel", operation="drop")],
        tools=[kernel_tool, tool("other", "run")],
        **database,
    )
    kernel = Executor(harness, run)
    await kernel.answer(word)
    await harness.execute()
    await kernel.make("c1", "1")
    await harness.execute()
    await kernel.claim("c2")  # allowed without a question
    with pytest.raises(ConsentNeeded):
        await kernel.claim("c3")
    find = harness.chat_store.tools.list_consents
    [standing] = await find("local")
    assert (standing["tool"], standing["operation"]) == ("kernel", "run")
    assert standing["thread_id"] == (thread.id if word == "thread" else None)
    assert await find("somebody") == []
    await harness.cancel(run)
    await offer(harness, thread, tool("kernel", "run", operations=operations, description="New"))
    harness.provider.add([call("c4", "kernel", operation="run"), ROUND])
    await harness.send(thread)
    changed = await harness.execute()
    assert (await open_question(harness, changed))["tool_call_id"] == "c4"


async def test_a_claim_tells_which_definition_was_allowed(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L13: an executor with another function of the same name can tell, and makes no call."""
    allowed = tool("run", "run")
    harness, thread, run = await begun(
        make_harness, [call("c1", "run")], tools=[allowed], **database
    )
    kernel = Executor(harness, run)
    await kernel.answer("once")
    await offer(harness, thread, tool("run", "run", description="Another."))
    await harness.execute()
    assert (await kernel.claim("c1"))["digest"] == digest_of(allowed)
    assert "digest" not in await kernel.renew("c1")


async def test_calls_of_one_round_are_reviewed_one_question_at_a_time(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L10: what needs no question is open meanwhile, and the run is due once all have ended."""
    harness, _, run = await begun(
        make_harness,
        [call("a", "run"), call("b", "look"), call("c", "run")],
        tools=[tool("run", "run"), tool("look")],
        **database,
    )
    kernel = Executor(harness, run)
    await kernel.make("b", "seen")
    assert await columns(harness, run) == ("waiting", None)
    assert (await open_question(harness, run))["tool_call_id"] == "a"
    await kernel.answer("no")
    await harness.execute()
    assert (await open_question(harness, run))["tool_call_id"] == "c"
    await kernel.answer("once")
    await harness.execute()
    await kernel.make("c", "done")
    await harness.execute()
    assert (await harness.reply(run))["status"] == "completed"
    assert {id_: part["success"] for id_, part in (await results(harness, run)).items()} == {
        "a": False,
        "b": True,
        "c": True,
    }


async def test_a_schema_whose_check_would_never_end_lets_the_input_pass(
    make_harness: MakeHarness,
) -> None:
    """L10: the tool checks its own input; the process stays free for all other answers."""
    levels = {
        f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]}
        for n in range(40)
    }
    schema = {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/d0"}},
        "$defs": {**levels, "d40": {"type": "integer"}},
    }
    look = tool("look", input_schema=schema)
    harness, _, run = await begun(make_harness, [call("c1", "look", x="three")], tools=[look])
    await Executor(harness, run).make("c1", "seen")
    await harness.execute()
    assert (await harness.reply(run))["status"] == "completed"


@pytest.mark.parametrize(
    ("chunk", "says"),
    [
        (call("c1", "no_such_tool"), "There is no tool of this name"),
        (call("c1", "<img src=x onerror=alert(1)>"), "There is no tool of this name"),
        (call("c1", "kernel", operation="format_disk"), "'operation' must be one of"),
        (call("c1", "sum", numbers="three"), "does not fit"),
        (call("c1", "secret"), "There is no tool of this name"),
    ],
)
async def test_a_call_that_cannot_be_made_fails_with_a_sentence_for_the_model(
    make_harness: MakeHarness, chunk: Any, says: str
) -> None:
    """L13: nobody is asked about it, and nobody can claim it."""
    schema = {"type": "object", "properties": {"numbers": {"type": "array"}}}
    harness, _, run = await begun(
        make_harness,
        [chunk],
        tools=[
            tool("kernel", "run", operations={"run": "run"}),
            tool("sum", input_schema=schema),
            tool("secret"),
        ],
        denied_tools=["sec*"],
    )
    failed = (await results(harness, run))["c1"]
    assert (failed["success"], failed["reason"]) == (False, "denied")
    assert says in failed["output"]
    assert (await harness.reply(run))["content"] == "Done."
    assert [sent.name for sent in harness.provider.prompts[0].tools] == ["kernel", "sum"]


async def test_an_administrators_list_binds_calls_that_were_asked_about_before(
    make_harness: MakeHarness,
) -> None:
    """L13: a consent opens nothing that the server's settings close."""
    harness, _, run = await begun(make_harness, [call("c1", "run")], tools=[tool("run", "run")])
    await Executor(harness, run).answer("always")
    harness.config.allowed_tools = ["look*"]
    await harness.execute()
    failed = (await results(harness, run))["c1"]
    assert (failed["reason"], failed["success"]) == ("denied", False)
    assert "administrator" in failed["output"]


@pytest.mark.parametrize(
    ("mode", "effect", "outcome"),
    [
        ("read_only", "read", "open"),
        ("read_only", "change", "denied"),
        ("read_only", "run", "denied"),
        ("accept_edits", "change", "open"),
        ("accept_edits", "run", "asked"),
    ],
)
async def test_the_mode_of_a_thread_decides_what_is_asked(
    make_harness: MakeHarness, mode: str, effect: str, outcome: str
) -> None:
    """L13"""
    harness, _, run = await begun(
        make_harness,
        [call("c1", "edit")],
        tools=[tool("edit", effect)],
        thread_tools={"mode": mode, "names": None},
    )
    found = await results(harness, run)
    if outcome == "denied":
        assert found["c1"]["reason"] == "denied"
    elif outcome == "asked":
        assert (await open_question(harness, run))["tool_call_id"] == "c1"
    else:
        await Executor(harness, run).claim("c1")


async def test_another_owner_sees_and_makes_no_call(make_harness: MakeHarness) -> None:
    """L16"""
    harness, _, run = await begun(make_harness, [call("c1", "look")], tools=[tool("look")])
    tools = harness.chat_store.tools
    claim = (await Executor(harness, run).claim("c1"))["claim"]
    with pytest.raises(RunNotFound):
        await tools.claim("eve", run.id, "c1", executor="x", claim=claim, lease_s=30.0)
    with pytest.raises(RunNotFound):
        await tools.write_output("eve", run.id, "c1", claim=claim, n=0, text="x")
    with pytest.raises(RunNotFound):
        await tools.give_result("eve", run.id, "c1", claim=claim, success=True, output="x")
    with pytest.raises(ToolCallNotFound):
        await tools.claim("local", run.id, "c9", executor="x", claim=None, lease_s=30.0)
