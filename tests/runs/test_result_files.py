"""The files of tools' results: held by the reply with the result, or not at all (L12, L16)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_chat_stream.runs.result_files import bounded
from jupyter_chat_stream.runs.tools.base import (
    CallContext,
    NewFile,
    ServerTools,
    ToolDone,
    ToolOutcome,
)
from jupyter_chat_stream.runs.uploads import Upload
from jupyter_chat_stream.shared.errors import (
    AttachmentInUse,
    AttachmentNotFound,
    AttachmentTooLarge,
    InvalidInput,
    ToolCallNotOpen,
)
from jupyter_chat_stream.shared.media_types import TypeCheck
from jupyter_chat_stream.store.chat import commands, holding
from jupyter_chat_stream.store.chat.commands import Sender
from jupyter_chat_stream.store.chat.tool_calls import MAX_OUTPUT_BYTES, check_output
from jupyter_chat_stream.testing import ScriptedProvider
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness
from tests.runs.calls import CountingTool, Executor, begun, call, in_rounds, results, tool

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where the harness keeps its threads: both databases obey the same laws."""
    if request.param == "sqlite":
        return {}
    return {"url": request.getfixturevalue("postgres_url")}


async def uploaded(harness: RunHarness, data: bytes = PNG, owner: str = "local") -> str:
    upload = Upload(
        harness.chat_store,
        owner,
        name="plot.png",
        check=TypeCheck("image/png", "plot.png"),
        size=len(data),
        max_unsent_bytes=2**30,
        is_live=lambda: False,
    )
    await upload.write(data)
    return (await upload.finish())["id"]


async def holds(harness: RunHarness) -> int:
    """How many attachments messages hold."""
    sql = "SELECT COUNT(*) FROM message_attachment"
    return int(await harness.store.read(lambda c: c.exec_driver_sql(sql).scalar()))


async def test_a_result_has_files_that_the_reply_holds_and_a_continuation_holds_again(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L12; two results of one reply may name the same file."""
    calls = [call("a", "plot"), call("b", "plot")]
    harness, thread, run = await begun(make_harness, calls, tools=[tool("plot")], **database)
    first, second = await uploaded(harness), await uploaded(harness, PNG + b"more")
    kernel = Executor(harness, run)
    for id_, files in (("a", [first]), ("b", [second, first])):
        await kernel.claim(id_)
        await kernel.result(id_, "drawn", files=files)
    found = await results(harness, run)
    (record,) = found["a"]["attachments"]
    assert record == await harness.chat_store.attachments.record("local", first)
    assert [each["id"] for each in found["b"]["attachments"]] == [second, first]
    assert await holds(harness) == 2
    with pytest.raises(AttachmentInUse):
        await harness.chat_store.attachments.delete("local", first)
    await harness.execute()

    def go_on(tx: Any) -> Any:
        return commands.succeed(tx, Sender(owner="local"), run.id, keep_parts=True)

    made = await harness.store.write(go_on, thread.pk)
    kept = [part for part in made["reply"]["parts"] if part["kind"] == "tool_result"]
    assert kept[0]["attachments"] == [record]
    assert await holds(harness) == 4  # the audit at the end compares them with what is named


async def test_a_result_that_is_refused_leaves_no_file_behind(
    database: dict[str, Any], make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L12, L16: nothing of a refused result is held, and its files can be deleted."""
    calls = [call("c1", "plot")]
    harness, _, run = await begun(make_harness, calls, tools=[tool("plot")], **database)
    own, strangers = await uploaded(harness), await uploaded(harness, owner="eve")
    kernel = Executor(harness, run)
    await kernel.claim("c1")
    for files in ([own, strangers], [own, "none"]):
        with pytest.raises(AttachmentNotFound) as refused:
            await kernel.result("c1", "drawn", files=files)
        assert refused.value.facts["attachment_id"] == files[1]
    for files in ([own, own], [f"a{n}" for n in range(holding.MAX_PER_RESULT + 1)]):
        with pytest.raises(InvalidInput, match="at most 20"):
            await kernel.result("c1", "drawn", files=files)
    monkeypatch.setattr(holding, "MAX_RESULT_FILES_BYTES", len(PNG) - 1)
    with pytest.raises(AttachmentTooLarge):
        await kernel.result("c1", "drawn", files=[own])
    assert await results(harness, run) == {}
    kernel._claims["c1"] = "stale"
    with pytest.raises(ToolCallNotOpen):
        await kernel.result("c1", "drawn", files=[own])
    assert await holds(harness) == 0
    await harness.chat_store.attachments.delete("local", own)
    await harness.cancel(run)


async def test_a_tool_of_the_server_returns_files_and_is_told_which_are_not_kept(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    plot = NewFile(name="../a\nb/plot.png", type="", data=PNG)
    odd = NewFile(name="a.exe", type="application/x-dosexec", data=b"MZ\0\0")
    drawn = CountingTool("draw", ToolDone(output={"n": 1}, attachments=(plot, odd)))
    many = CountingTool("many", ToolDone(output="all", attachments=(plot,) * 25))
    harness, _, run = await begun(
        make_harness,
        [call("a", "draw"), call("b", "many")],
        server=[drawn, many],
        thread_tools={"mode": "ask", "names": ["draw", "many"]},
        **database,
    )
    found = await results(harness, run)
    (record,) = found["a"]["attachments"]
    assert (record["name"], record["type"], record["size"]) == ("plot.png", "image/png", len(PNG))
    assert found["a"]["output"]["output"] == {"n": 1}
    (said,) = found["a"]["output"]["not_kept"]
    assert said.startswith("The file 'a.exe' was not kept: Attachments of type")
    assert len(found["b"]["attachments"]) == holding.MAX_PER_RESULT
    assert found["b"]["output"] == "all\n[5 more files were not kept: too many.]"
    assert (await harness.reply(run))["status"] == "completed"


async def test_a_reply_holds_so_many_bytes_of_files_and_no_call_is_lost_over_it(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L12: the second result is kept without its file, and the model reads why."""
    monkeypatch.setattr(holding, "MAX_REPLY_FILES_BYTES", 2 * len(PNG) - 1)
    plot = NewFile(name="plot.png", type="", data=PNG)
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    tools = [
        CountingTool("draw", ToolDone(output="drawn", attachments=(plot,))),
        CountingTool("deep", ToolDone(output=deep)),
    ]
    harness, _, run = await begun(
        make_harness,
        [call("a", "draw"), call("c", "deep")],
        [call("b", "draw")],
        server=tools,
        thread_tools={"mode": "ask", "names": ["draw", "deep"]},
    )
    found = await results(harness, run)
    assert len(found["a"]["attachments"]) == 1
    assert "attachments" not in found["b"]
    assert found["b"]["output"].startswith("drawn\n[No file was kept: The attachment has")
    assert (found["c"]["success"], "nested too deeply" in found["c"]["output"]) == (False, True)
    assert await holds(harness) == 1
    assert (await harness.reply(run))["status"] == "completed"


async def test_the_files_of_a_server_tools_result_go_when_the_answer_was_stopped(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L12: the attempt was fenced while its tool worked."""

    class Slow(CountingTool):
        async def call(self, input: Any, context: CallContext) -> ToolOutcome:
            await harness.cancel(run)
            return ToolDone(output="late", attachments=(NewFile(name="a", type="", data=PNG),))

    provider = ScriptedProvider(default=in_rounds([call("c1", "draw")]))
    harness = await make_harness(provider=provider, **database)
    harness.services = replace(harness.services, tools=ServerTools(Slow("draw")))
    thread = await harness.thread()
    tools: dict[str, Any] = {"tools": {"mode": "ask", "names": ["draw"]}}
    await harness.chat_store.threads.change("local", thread.id, tools)
    run = await harness.send(thread)
    await harness.execute()
    assert (await harness.reply(run))["status"] == "cancelled"
    sql = "SELECT COUNT(*) FROM attachment"
    assert await harness.store.read(lambda c: c.exec_driver_sql(sql).scalar()) == 0


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("é" * MAX_OUTPUT_BYTES, "output.txt"),
        ("\x01" * MAX_OUTPUT_BYTES, "output.txt"),
        ([{"text": "é\n"}] * MAX_OUTPUT_BYTES, "output.json"),
    ],
)
def test_an_output_that_is_too_large_for_an_event_is_cut_and_kept_whole_in_a_file(
    output: Any, name: str
) -> None:
    cut, whole = bounded(output)
    assert whole is not None
    check_output(cut)
    assert whole.name == name
    if isinstance(output, str):
        assert whole.data.decode() == output
        assert output.startswith(cut[:1000])
    else:
        assert whole.data.startswith(b'[\n {\n  "text": "\xc3\xa9\\n"')
    assert bounded(output[:1000]) == (output[:1000], None)
