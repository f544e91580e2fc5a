"""Tools over HTTP and the WebSocket: offers, calls as an executor makes them, and consents."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jupyter_chat_stream.shared.tool_definitions import MAX_TOOLS, digest_of
from jupyter_chat_stream.testing import FakeAnthropic, ScriptedProvider
from tests.runs.calls import ROUND, call, in_rounds, tool
from tests.server.conftest import StartServer
from tests.server.harness import PATIENCE_S, ChatServer, Reply, Socket, until
from tests.server.test_access import ByHeader


async def offering(server: ChatServer, thread: str, *tools: Any, **fields: Any) -> Socket:
    """A kernel's socket that offers tools in a thread."""
    socket = await server.socket()
    frame = {
        "op": "offer",
        "thread": thread,
        "executor": "k1",
        "label": "kernel of a.ipynb",
        "where": "kernel",
        "tools": list(tools),
        **fields,
    }
    await socket.send(frame)
    return socket


async def thread_of(server: ChatServer, *rounds: list[Any], **fields: Any) -> str:
    """A thread whose model makes these calls."""
    provider = ScriptedProvider(default=in_rounds(*rounds))
    server.subsystems.registry.add(provider)
    return await server.thread(model="scripted/model", **fields)


async def listed(server: ChatServer, thread: str) -> dict[str, dict[str, Any]]:
    """The tools of a thread that executors offer, by their names."""
    found = await server.ask("GET", f"tools?thread_id={thread}")
    assert found.status == 200, found.body
    return {each["name"]: each for each in found.json["tools"] if each["where"] != "server"}


async def command(server: ChatServer, run: str, call_id: str, name: str, **body: Any) -> Reply:
    return await server.ask("POST", f"runs/{run}/tools/{call_id}/{name}", body)


async def parts_of(server: ChatServer, thread: str) -> list[dict[str, Any]]:
    state = (await server.ask("GET", f"threads/{thread}/messages")).json
    return list(state["messages"][-1]["parts"])


async def waiting(server: ChatServer, run: str) -> None:
    """Wait until a run has let go."""

    async def look() -> None:
        while (found := (await server.ask("GET", f"runs/{run}")).json)["status"] != "waiting":
            assert found["ended_at"] is None, found["error"]

    await asyncio.wait_for(look(), PATIENCE_S)


async def test_unused_tools_send_nothing_to_the_model_and_reach_no_executor(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is the same, to the byte, as in a thread where nobody offers anything."""
    with FakeAnthropic() as fake:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-nobody")
        server = await start_server()
        model = "anthropic/claude-sonnet-5-5"
        thread, other = [await server.thread(model=model) for _ in range(2)]
        tools = [tool(f"tool_{number}", source="builtin") for number in range(MAX_TOOLS)]
        socket = await offering(server, thread, *tools)
        await socket.next("offered")
        for each in (thread, other):
            assert (await server.answered(each))["reply"]["status"] == "completed"
        withdrawn = {"op": "offer", "thread": thread, "executor": "k1", "label": "k"}
        await socket.send({**withdrawn, "where": "kernel", "tools": []})
        assert await socket.frame() == {"op": "offered", "thread": thread}  # no frame came before
        with_tools, without = fake.requests
        assert "tools" not in with_tools.body
        assert with_tools.size_bytes == without.size_bytes


async def test_a_kernel_offers_a_tool_and_makes_the_call_that_a_person_allowed(
    chat_server: ChatServer,
) -> None:
    """L12, L13: the whole way, as a kernel and a page go it."""
    thread = await thread_of(chat_server, [call("c1", "train", rows=3)])
    socket = await offering(chat_server, thread, tool("train", "run"))
    assert await socket.next() == {"op": "offered", "thread": thread}
    found = (await listed(chat_server, thread))["train"]
    assert (found["consent"], found["is_on"], found["where"]) == ("ask", True, "kernel")
    run = (await chat_server.send(thread))["run"]["id"]
    await waiting(chat_server, run)
    refused = await command(chat_server, run, "c1", "claim", executor="kernel of a.ipynb")
    assert (refused.status, refused.error["code"]) == (409, "consent_needed")
    question = (await parts_of(chat_server, thread))[-1]
    answered = await chat_server.ask(
        "POST", f"runs/{run}/input", {"request_id": question["request_id"], "value": "always"}
    )
    assert answered.status == 200
    while True:
        taken = await command(chat_server, run, "c1", "claim", executor="kernel of a.ipynb")
        if taken.status == 200:
            break
        assert taken.error["code"] == "consent_needed"
    claim = taken.json["claim"]
    assert taken.json["digest"] == digest_of(tool("train", "run"))
    renewed = await command(
        chat_server, run, "c1", "claim", executor="kernel of a.ipynb", claim=claim
    )
    assert renewed.json["until"] >= taken.json["until"]
    other = await command(chat_server, run, "c1", "claim", executor="kernel of b.ipynb")
    assert (other.status, other.error["state"]) == (409, "claimed")
    wrote = await command(chat_server, run, "c1", "output", claim=claim, n=0, text="epoch 1\n")
    assert wrote.status == 204
    large = await command(
        chat_server, run, "c1", "result", claim=claim, success=True, output="x" * 2**20
    )
    assert (large.status, large.error["code"]) == (413, "tool_output_too_large")
    stale = await command(
        chat_server, run, "c1", "result", claim="another", success=True, output="x"
    )
    assert (stale.status, stale.error["code"]) == (409, "tool_call_not_open")
    ended = await command(
        chat_server, run, "c1", "result", claim=claim, success=True, output={"loss": 0.1}
    )
    assert (ended.status, ended.json["run"]["id"]) == (200, run)
    consents = (await chat_server.ask("GET", "consents")).json["consents"]
    assert [each["tool"] for each in consents] == ["train"]
    assert (await listed(chat_server, thread))["train"]["consent"] == "always"
    gone = await chat_server.ask("DELETE", f"consents/{consents[0]['id']}")
    assert gone.status == 204
    again = await chat_server.ask("DELETE", f"consents/{consents[0]['id']}")
    assert (again.status, again.error["code"]) == (404, "consent_not_found")
    assert (await listed(chat_server, thread))["train"]["consent"] == "ask"


async def test_offers_end_with_their_socket_and_an_older_socket_withdraws_no_newer_one(
    chat_server: ChatServer,
) -> None:
    thread = await thread_of(chat_server)
    first = await offering(chat_server, thread, tool("train"))
    await first.next("offered")
    second = await offering(chat_server, thread, tool("train"), tool("plot"))
    await second.next("offered")
    await first.closed()
    await until(lambda: len(chat_server.host.streams) < 3)
    assert set(await listed(chat_server, thread)) == {"train", "plot"}
    await second.send(
        {
            "op": "offer",
            "thread": thread,
            "executor": "k1",
            "label": "k",
            "where": "kernel",
            "tools": [],
        }
    )
    await second.next("offered")
    assert await listed(chat_server, thread) == {}
    third = await offering(chat_server, thread, tool("train"))
    await third.next("offered")
    await third.closed()
    while await listed(chat_server, thread):
        pass


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"where": "server"}, "where"),
        ({"label": ""}, "label"),
        ({"tools": [{"name": "a b"}]}, "tools"),
        ({"tools": [{**tool("x"), "where": "page"}]}, "tools"),
        ({"tools": [{**tool("x"), "source": "mcp:files"}]}, "tools"),
        ({"tools": [{**tool("x"), "effect": "harmless"}]}, "tools"),
        ({"tools": [{**tool("x"), "description": "x" * 40_000}]}, "tools"),
        ({"tools": [{**tool("x"), "input_schema": {"type": "array"}}]}, "tools"),
        ({"tools": [tool(f"t{n}") for n in range(65)]}, "tools"),
    ],
)
async def test_a_malformed_offer_is_refused_and_the_socket_stays(
    chat_server: ChatServer, fields: Any, field: str
) -> None:
    thread = await chat_server.thread()
    socket = await offering(chat_server, thread, **fields)
    refused = await socket.next()
    assert (refused["op"], refused["to"], refused["thread"]) == ("error", "offer", thread)
    assert refused["error"]["field"] == field
    await socket.send({"op": "ping"})
    assert (await socket.next())["op"] == "pong"


async def test_an_offer_may_be_larger_than_other_frames_within_a_bound(
    chat_server: ChatServer,
) -> None:
    thread = await chat_server.thread()
    many = [tool(f"t{n}", description="x" * 6_000) for n in range(60)]
    socket = await offering(chat_server, thread, *many)
    assert (await socket.next())["op"] == "offered"
    await socket.send(json.dumps({"op": "subscribe", "thread": thread, "pad": "x" * 70_000}))
    assert (await socket.next())["error"]["code"] == "invalid_input"


async def test_messages_name_the_tools_that_are_there(chat_server: ChatServer) -> None:
    thread = await thread_of(chat_server)
    kernel_tool = tool("kernel", "run", source="builtin", operations={"run": "run"})
    socket = await offering(chat_server, thread, tool("train"), kernel_tool)
    await socket.next("offered")
    assert (await listed(chat_server, thread))["kernel"]["is_on"] is False
    provider = chat_server.subsystems.registry.providers["scripted"]

    async def sent(**fields: Any) -> list[str]:
        before = len(provider.prompts)
        run = (await chat_server.send(thread, **fields))["run"]["id"]
        await until(lambda: len(provider.prompts) > before)
        assert run
        return [each.name for each in provider.prompts[-1].tools]

    assert await sent() == ["train"]
    assert await sent(tools=[]) == []
    assert await sent(tools=["kernel"]) == ["kernel"]
    assert await sent(tools=[{"name": "search", "input_schema": {}}]) == ["search"]
    changed = await chat_server.ask("PATCH", f"threads/{thread}", {"tools": {"names": ["kernel"]}})
    assert changed.json["tools"] == {"mode": "ask", "names": ["kernel"]}
    assert await sent() == ["kernel", "train"]
    for wrong in (["karnel"], [{"name": "kernel", "where": "kernel", "effect": "read"}]):
        refused = await chat_server.ask(
            "POST", f"threads/{thread}/messages", {"content": "x", "tools": wrong}
        )
        assert (refused.status, refused.error["field"]) == (400, "tools")


async def test_a_repeated_message_is_answered_as_before_though_its_tool_has_gone(
    chat_server: ChatServer,
) -> None:
    """L11: the kernel that offered the tool has restarted since."""
    thread = await thread_of(chat_server)
    socket = await offering(chat_server, thread, tool("train"))
    await socket.next("offered")
    body = {"content": "Go", "tools": ["train"]}
    key = {**chat_server.headers, "Idempotency-Key": "again"}
    path = f"threads/{thread}/messages"
    first = await chat_server.ask("POST", path, body, headers=key)
    assert first.status == 202, first.body
    await socket.closed()
    while await listed(chat_server, thread):
        pass
    again = await chat_server.ask("POST", path, body, headers=key)
    assert (again.status, again.json["run"]["id"]) == (202, first.json["run"]["id"])
    fresh = await chat_server.ask("POST", path, body)
    assert (fresh.status, fresh.error["field"]) == (400, "tools")


async def test_an_administrators_lists_bind_what_is_offered(start_server: StartServer) -> None:
    server = await start_server(
        ChatStream_denied_tools=["rm_*"], ChatStream_default_tools=["kernel"]
    )
    thread = await thread_of(server, [call("c1", "rm_all"), ROUND])
    kernel_tool = tool("kernel", source="builtin")
    socket = await offering(server, thread, tool("rm_all"), kernel_tool)
    await socket.next("offered")
    found = await listed(server, thread)
    assert (found["rm_all"]["consent"], found["rm_all"]["is_on"]) == ("denied", False)
    assert found["kernel"]["is_on"] is True
    put = await server.ask("PUT", "consents", {"tool": "rm_all", "thread_id": thread})
    assert put.status == 200  # a word that opens nothing
    assert (await listed(server, thread))["rm_all"]["consent"] == "denied"


async def test_a_consent_can_be_given_before_to_a_tool_that_is_there(
    chat_server: ChatServer,
) -> None:
    """L13"""
    thread = await thread_of(chat_server)
    kernel_tool = tool("kernel", "run", operations={"run": "run", "look": "read"})
    socket = await offering(chat_server, thread, kernel_tool)
    await socket.next("offered")
    for body, status in (
        ({"tool": "karnel"}, 404),
        ({"tool": "kernel"}, 400),
        ({"tool": "kernel", "operation": "dig"}, 400),
        ({"tool": "kernel", "operation": "run", "thread_id": "nobody-s"}, 404),
        ({"tool": "kernel", "operation": "run"}, 200),
    ):
        assert (await chat_server.ask("PUT", "consents", body)).status == status, body
    assert (await listed(chat_server, thread))["kernel"]["consent"] == "always"


async def test_what_is_not_there_is_404(chat_server: ChatServer) -> None:
    """L16"""
    thread = await thread_of(chat_server)
    run = (await chat_server.send(thread))["run"]["id"]
    for path, code in (
        (f"runs/{run}/tools/none/claim", "tool_call_not_found"),
        ("runs/none/tools/none/claim", "run_not_found"),
    ):
        refused = await chat_server.ask("POST", path, {"executor": "x"})
        assert (refused.status, refused.error["code"]) == (404, code)
    missing = await chat_server.ask("GET", "tools?thread_id=none")
    assert (missing.status, missing.error["code"]) == (404, "thread_not_found")
    assert (await chat_server.ask("GET", "tools")).status == 400


async def test_to_another_user_calls_tools_and_consents_do_not_exist(
    start_server: StartServer,
) -> None:
    """L16: the same answers as for what is not there."""
    server = await start_server(ServerApp_identity_provider_class=ByHeader)
    ada, eve = {"X-User": "ada"}, {"X-User": "eve"}
    await server.ask("GET", "status", headers=ada)  # it waits for the service
    provider = ScriptedProvider(default=in_rounds([call("c1", "train")]))
    server.subsystems.registry.add(provider)
    made = await server.ask("POST", "threads", {"model": "scripted/model"}, headers=ada)
    thread = made.json["id"]
    offer = {
        "op": "offer",
        "thread": thread,
        "executor": "k1",
        "label": "k",
        "where": "kernel",
        "tools": [tool("train")],
    }
    hers, other = await server.socket(ada), await server.socket(eve)
    await other.send(offer)
    assert (await other.next())["error"]["code"] == "thread_not_found"
    await hers.send(offer)
    assert (await hers.next())["op"] == "offered"
    sent = await server.ask("POST", f"threads/{thread}/messages", {"content": "Go"}, headers=ada)
    run = sent.json["run"]["id"]
    await until(lambda: provider.active == 0 and provider.prompts)
    given = await server.ask("PUT", "consents", {"tool": "train", "thread_id": thread}, headers=ada)
    tools = await server.ask("GET", f"tools?thread_id={thread}", headers=ada)
    consents = {each["name"]: each["consent"] for each in tools.json["tools"]}
    assert consents["train"] == "none"  # it only reads
    assert (await server.ask("GET", "consents", headers=eve)).json == {"consents": []}
    for method, path, body, code in (
        ("GET", f"tools?thread_id={thread}", None, "thread_not_found"),
        ("PUT", "consents", {"tool": "train", "thread_id": thread}, "thread_not_found"),
        ("PUT", "consents", {"tool": "train"}, "tool_not_found"),
        ("DELETE", f"consents/{given.json['id']}", None, "consent_not_found"),
        ("POST", f"runs/{run}/tools/c1/claim", {"executor": "e"}, "run_not_found"),
        (
            "POST",
            f"runs/{run}/tools/c1/output",
            {"claim": "x", "n": 0, "text": ""},
            "run_not_found",
        ),
        (
            "POST",
            f"runs/{run}/tools/c1/result",
            {"claim": "x", "success": True, "output": ""},
            "run_not_found",
        ),
    ):
        refused = await server.ask(method, path, body, headers=eve)
        assert (refused.status, refused.error["code"]) == (404, code), path
