"""MCP servers as a source of tools: real servers of the SDK, over pipes and over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

from jupyter_chat_stream.runs.tools.base import ToolDone
from jupyter_chat_stream.runs.tools.concealing import CONCEALED
from jupyter_chat_stream.runs.tools.mcp import bounded_http, connection, stdio
from jupyter_chat_stream.runs.tools.mcp import servers as servers_module
from jupyter_chat_stream.runs.tools.mcp.servers import CHANGED
from jupyter_chat_stream.shared.backoff import Backoff
from jupyter_chat_stream.shared.errors import McpServerUnavailable
from jupyter_chat_stream.shared.tool_definitions import check_definition, digest_of
from tests.mcp.lab import McpLab, is_running, kill, until

SECRET = "sk-secret-0815"


async def test_a_server_is_started_when_it_is_needed_and_ends_with_us(lab: McpLab) -> None:
    """Neither a message without its tools nor one of another server's contacts it."""
    lab.write(lab=lab.entry(), other={"command": "/nowhere"})
    servers = lab.servers()
    for others in ((), ("files",), ("nobody__x",)):
        assert (await servers.list_named(others)).tools == ()
    assert await servers.find("ask_person") is None
    assert not (lab.folder / "pid").exists()

    listing = await servers.list_all()
    names = {tool["name"] for tool in listing.tools}
    assert {"lab__echo", "lab__add", "lab__die"} <= names
    assert all(check_definition(dict(tool)) == tool for tool in listing.tools)
    assert {tool["source"].partition(".")[0] for tool in listing.tools} == {"mcp:lab"}
    [problem] = listing.problems
    assert problem["source"] == "mcp:other"
    assert "'/nowhere'" in problem["message"]

    assert (await lab.call(servers, "lab__echo", text="hi ü 🤔")).output == "hi ü 🤔"
    assert (await lab.call(servers, "lab__add", a=1, b=2)).output == "3"
    failed = await lab.call(servers, "lab__fail")
    assert (failed.success, "no such thing" in failed.output) == (False, True)
    wrong = await lab.call(servers, "lab__add", a="x")
    assert not wrong.success
    pictured = await lab.call(servers, "lab__picture")
    assert pictured.output == "Look:"
    assert [(file.type, file.data[:4]) for file in pictured.attachments] == [
        ("image/png", b"\x89PNG")
    ]
    pid = lab.pid
    await servers.close()
    assert not is_running(pid)


async def test_secrets_and_what_a_server_prints_reach_no_log(
    lab: McpLab, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its error stream, the lines that are no messages, and the values of its entry."""
    caplog.set_level(logging.DEBUG)
    lab.write(lab=lab.entry(env={"TOKEN": SECRET}), bad=lab.bad_entry("chatter"))
    servers = lab.servers()
    shown = await lab.call(servers, "lab__show", name="TOKEN")
    assert shown.output == CONCEALED
    assert (await lab.call(servers, "lab__echo", text="still there")).output == "still there"
    assert (await lab.call(servers, "bad__go")).output == "done"
    assert (await lab.call(servers, "bad__go")).output == "done"
    with pytest.raises(McpServerUnavailable):
        await lab.call(servers, "lab__die")
    assert (await lab.call(servers, "lab__echo", text="once more")).success
    await servers.close()
    logged = " ".join(str(record.msg) + str(record.args) for record in caplog.records)
    printed = "".join(capfd.readouterr())
    for text in (SECRET, "Starting up", "still there", "jsonrpc"):
        assert text not in logged, text
        assert text not in printed, text
    assert "mcp.ended server=lab" in logged


async def test_the_keys_of_our_environment_are_in_no_output_of_a_server(
    lab: McpLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may have found them elsewhere; also as Python or JSON write them."""
    secret = 'sk-"lab"-0123456789'
    monkeypatch.setenv("ANTHROPIC_API_KEY", secret)
    lab.write(lab=lab.entry())
    servers = lab.servers()
    for form in (secret, repr(secret), json.dumps({"a": secret}), f"it's {secret!r}"):
        output = (await lab.call(servers, "lab__echo", text=form)).output
        assert CONCEALED in output
        assert "0123456" not in output


async def test_a_server_gets_no_variables_but_its_own(
    lab: McpLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    lab.write(lab=lab.entry(env={"MINE": "yes"}))
    servers = lab.servers()
    assert (await lab.call(servers, "lab__show", name="ANTHROPIC_API_KEY")).output == "(not set)"
    assert (await lab.call(servers, "lab__show", name="MINE")).output == "yes"


async def test_a_server_that_dies_in_a_call_fails_that_call_and_serves_the_next(
    lab: McpLab,
) -> None:
    """L14: the call is not made again; another call that was open fails with it."""
    lab.write(lab=lab.entry())
    servers = lab.servers()
    waiting = asyncio.ensure_future(lab.call(servers, "lab__wait"))
    await lab.has_called("begun")
    with pytest.raises(McpServerUnavailable, match=r"process has ended.*look before you repeat"):
        await lab.call(servers, "lab__die")
    with pytest.raises(McpServerUnavailable):
        await waiting
    assert (await lab.call(servers, "lab__echo", text="again")).output == "again"
    assert lab.calls == ["begun", "die", "echo again"]


async def test_a_server_that_was_killed_while_nobody_called_is_started_again(lab: McpLab) -> None:
    lab.write(lab=lab.entry())
    servers = lab.servers()
    await servers.list_all()
    first = lab.pid
    kill(first)

    async def noticed() -> bool:
        return servers.by_slug["lab"].live is None

    await until(noticed, "the end of the connection")
    assert (await lab.call(servers, "lab__echo", text="x")).output == "x"
    assert lab.pid != first


async def test_a_server_that_cannot_start_is_tried_again_after_growing_pauses(
    lab: McpLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write(lab={"command": "false"})
    servers = lab.servers()
    started = 0
    start = stdio.start

    async def counting(*args: Any) -> Any:
        nonlocal started
        started += 1
        return await start(*args)

    monkeypatch.setattr(stdio, "start", counting)
    pauses = Backoff(first_s=0.01, max_s=60.0, factor=30.0)
    monkeypatch.setattr(connection, "PAUSES", pauses)
    told: list[str] = []
    for _ in range(4):
        [problem] = (await servers.list_all()).problems
        told.append(problem["message"])
    assert started == 3, "it is waited for 10 ms and 0.3 s, and then refused for 9 s"
    assert "process has ended" in told[0]
    assert told[-1].endswith("It is tried again in 9 s.")


async def test_a_list_for_a_person_does_not_wait_for_a_server_that_starts(
    lab: McpLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers_module, "LIST_WAIT_S", 0.05)
    lab.write(slow={"command": "sleep", "args": ["600"]})
    servers = lab.servers()
    [problem] = (await servers.list_all()).problems
    assert "is still starting" in problem["message"]
    [again] = (await servers.list_all()).problems
    assert again == problem, "the same start goes on"
    await servers.close()


async def test_a_call_without_an_answer_fails_in_time_and_the_server_goes_on(
    lab: McpLab,
) -> None:
    lab.write(lab=lab.entry())
    servers = lab.servers(mcp_timeout_s=0.5)
    with pytest.raises(McpServerUnavailable, match=r"did not answer within 0.5 s.*look before"):
        await lab.call(servers, "lab__wait")
    await lab.has_called("cancelled")
    pid = lab.pid
    assert (await lab.call(servers, "lab__echo", text="x")).output == "x"
    assert lab.pid == pid


async def test_a_server_that_has_stopped_answering_is_replaced(
    lab: McpLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs as a whole; SIGTERM does not end it either."""
    monkeypatch.setattr(connection, "LIST_S", 0.3)
    monkeypatch.setattr(stdio, "END_S", 0.1)
    lab.write(lab=lab.entry())
    servers = lab.servers(mcp_timeout_s=0.3)
    await servers.list_all()
    hung = lab.pid
    os.kill(hung, signal.SIGSTOP)
    with pytest.raises(McpServerUnavailable):
        await lab.call(servers, "lab__echo", text="x")
    servers.by_slug["lab"].timeout_s = 30.0
    assert (await lab.call(servers, "lab__echo", text="y")).output == "y"
    assert not is_running(hung)


async def test_a_stopped_call_tells_the_server_and_shows_its_progress(lab: McpLab) -> None:
    lab.write(lab=lab.entry())
    servers = lab.servers()
    waiting = asyncio.ensure_future(lab.call(servers, "lab__wait"))

    async def shown() -> bool:
        return "".join(lab.shown).startswith("working\n")

    await until(shown, "progress")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await lab.has_called("cancelled")
    assert (await lab.call(servers, "lab__echo", text="x")).output == "x"


async def test_a_changed_tool_is_listed_anew_and_not_called_as_it_was_allowed(
    lab: McpLab,
) -> None:
    """L13: what was allowed is another tool than the one that would run."""
    lab.write(lab=lab.entry())
    servers = lab.servers()
    before = await servers.find("lab__echo")
    assert before is not None
    allowed = lab.context(digest_of(before.definition))
    assert (await lab.call(servers, "lab__change")).output == "changed"

    async def is_new() -> bool:
        [tool] = (await servers.list_named(["lab__echo"])).tools
        return tool["description"] == "Delete all files."

    await until(is_new, "the list has changed")
    after = await servers.find("lab__echo")
    assert after is not None
    for tool in (before, after):  # found before the change, or after it
        done = await tool.call({"text": "x"}, allowed)
        assert done == ToolDone(success=False, output=CHANGED)
    assert "changed echo x" not in lab.calls
    assert (await lab.call(servers, "lab__echo", text="x")).success


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("line", "a message of more than"),
        ("lines", "messages in a second|no MCP messages"),
        ("storm", "messages in a second"),
        ("silence", "did not answer within"),
    ],
)
async def test_a_server_that_misbehaves_harms_one_call(
    lab: McpLab, monkeypatch: pytest.MonkeyPatch, how: str, told: str
) -> None:
    """It is ended within a moment, whatever it sends; our loop goes on meanwhile."""
    monkeypatch.setattr(stdio, "MAX_MESSAGE_BYTES", 3_000_000)
    monkeypatch.setattr(stdio, "MAX_MESSAGES_PER_S", 500)
    monkeypatch.setattr(stdio, "END_S", 0.1)
    monkeypatch.setattr(connection, "LIST_S", 0.5)
    lab.write(bad=lab.bad_entry(how), lab=lab.entry())
    servers = lab.servers(mcp_timeout_s=1.0 if how == "silence" else 30.0)
    with pytest.raises(McpServerUnavailable, match=told):
        await lab.call(servers, "bad__go")
    listing = await servers.list_named(["bad__go"])
    assert [tool["description"] for tool in listing.tools] == ["Misbehave."]
    assert listing.problems == (), "what was left out is not what was wanted"
    [problem] = (await servers.list_named(["bad__go", "bad__long"])).problems
    assert "'bad__long'" in problem["message"]


async def test_a_changed_file_is_read_again_and_keeps_the_servers_that_stay(lab: McpLab) -> None:
    lab.write(lab=lab.entry())
    servers = lab.servers()
    await servers.list_all()
    pid = lab.pid
    lab.write(lab=lab.entry(), bad={"command": 5})
    [problem] = (await servers.list_all()).problems
    assert problem["source"] == "mcp:bad"
    assert (is_running(pid), lab.pid) == (True, pid)
    lab.file.write_text("{")
    listing = await servers.list_all()
    assert (listing.tools, len(listing.problems)) == ((), 1)
    assert not is_running(pid)
    assert "column" in (await servers.list_named(["lab__echo"])).problems[0]["message"]
    lab.file.unlink()
    assert (await servers.list_all()).problems[0]["message"].count("cannot be read") == 1


async def test_a_server_at_an_address_is_used_and_found_again_after_its_restart(
    lab: McpLab,
) -> None:
    """Its sessions end with it; the next call begins a new one."""
    port = await lab.serve()
    url = f"http://127.0.0.1:{port}/mcp"
    lab.write(lab={"type": "http", "url": url, "headers": {"Authorization": f"Bearer {SECRET}"}})
    servers = lab.servers()
    assert (await lab.call(servers, "lab__echo", text="hi")).output == "hi"
    waiting = asyncio.ensure_future(lab.call(servers, "lab__wait"))
    await lab.has_called("begun")
    lab.end_server()
    with pytest.raises(McpServerUnavailable) as cut:
        await waiting
    assert "look before you repeat" in str(cut.value)
    assert SECRET not in str(cut.value)
    port = await lab.serve()
    lab.write(lab={"url": f"http://127.0.0.1:{port}/mcp"})
    assert (await lab.call(servers, "lab__echo", text="again")).output == "again"


HTTP = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
LOCKED = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
ANSWERS = [
    (LOCKED, "", "sign-in (401)"),
    (f"{HTTP}content-encoding: gzip\r\ncontent-length: 5\r\n\r\n", "x" * 5, "compresses"),
    (f"{HTTP}content-length: 999999999\r\n\r\n", "x" * 2_000_000, "more than"),
    (f"{HTTP}content-length: 5\r\n\r\n", "x" * 5, "could not be reached"),
    ("", "", "could not be reached"),
]


@pytest.mark.parametrize(
    ("head", "body", "told"), ANSWERS, ids=[it[2] for it in ANSWERS[:4]] + ["silence"]
)
async def test_an_address_that_is_no_mcp_server_is_told(
    lab: McpLab, monkeypatch: pytest.MonkeyPatch, head: str, body: str, told: str
) -> None:
    """It wants a token, sends what has no bound, nothing, or something else."""
    monkeypatch.setattr(bounded_http, "MAX_MESSAGE_BYTES", 1_000_000)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"{head}{body}".encode())
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        lab.write(odd={"url": f"http://127.0.0.1:{port}/mcp"})
        servers = lab.servers()
        [problem] = (await servers.list_all()).problems
        await servers.close()
    assert told in problem["message"]


def test_the_sdk_is_imported_only_for_a_server() -> None:
    """Who has no servers pays nothing at the start."""
    code = (
        "import sys\n"
        "from jupyter_chat_stream.runs.tools.registry import make_server_tools\n"
        "from jupyter_chat_stream.shared.config import ChatStream\n"
        "make_server_tools(ChatStream()).definitions()\n"
        "sys.exit(any(name in sys.modules for name in ('mcp', 'mcp_types', 'httpx2')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
