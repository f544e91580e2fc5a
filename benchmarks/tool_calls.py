"""(x) What tool calls cost: one call of a kernel's function, a thousand open calls, unused tools.

The same function is called by the model and directly, in the same kernel, in turn. Its own stamps,
and those of the model (calling.py), show where the time goes. Open calls are measured as waiting
runs are (waiting.py): half of them wait for a kernel that offers the tool and does not make them,
half for a person's consent.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from jupyter_chat_stream.shared.config import CONNECTION_ENV
from jupyter_chat_stream.testing import FakeAnthropic
from tests.faults.processes import eventually
from tests.kernel.harness import Kernel
from tests.postgres import Postgres

from .calling import MODEL, TOOL
from .processes import Place, Server, cpu_s, place
from .report import Section, ms, percentile
from .stamps import age_s

SETTLED_S = 5.0
UNUSED = 64  # tools that are offered in a thread and used by none of its messages
CALLS_OF_THREAD = 10  # of each situation: the prompt of a long thread takes longer to build
LOOK_S = 0.1
SITUATIONS = ("between two cells", "inside chat.ask")
FUNCTION = f"""
import json, time
from jupyter_chat_stream import Chat
chat = Chat("calls NUMBER", model={MODEL!r})

@chat.tool(effect="read")
def {TOOL}(asked: str) -> list[int]:
    begun = time.monotonic_ns()
    sum(number * number for number in range(20_000))
    return [begun, time.monotonic_ns()]

def directly() -> int:
    begun = time.monotonic_ns()
    {TOOL}("")
    return time.monotonic_ns() - begun
"""
DIRECTLY = "print(directly())"
ASK = "reply = chat.ask('go')"


@dataclass(kw_only=True)
class Times:
    """What was measured of a function, in seconds: directly, as a call, and on the call's ways."""

    directly: list[float] = field(default_factory=list)
    called: list[float] = field(default_factory=list)
    to_function: list[float] = field(default_factory=list)
    to_model: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The CPU of a server and of its Postgres, as parts of a core."""

    server: float
    postgres: float


def run(*, quick: bool = False) -> Section:
    """Measure all three."""
    calls, count, seconds = (3, 20, 1.0) if quick else (100, 1000, 60.0)
    databases = ("SQLite",) if quick else ("SQLite", "Postgres")
    rows = [["what", "added, p50", "p99", "goal", "with", "without", "of it"]]
    for database in databases:
        for situation, times in asyncio.run(measure_calls(database, calls)).items():
            rows.append(_call_row(f"a call {situation}, {database}", times))
    for database in databases:
        with_, without = asyncio.run(measure_open(database, count, seconds))
        rows.append(_open_row(f"{count} open calls, {database}", with_, without))
    rows.append(_unused_row(*asyncio.run(measure_unused(2 if quick else UNUSED))))
    return Section(
        name="x",
        title=f"tool calls: {calls} calls of a kernel's function, {count} open calls for "
        f"{seconds:.0f} s, {UNUSED} unused tools",
        goal="a call adds at most 60 ms (p50); 1000 open calls take less than 1 % of a core; "
        "unused tools add nothing to a request",
        rows=rows,
        notes=[
            "a call: from the model's asking for it to the model's having the result, beside the "
            "same function called directly in the same kernel, in turn; "
            f"{CALLS_OF_THREAD} calls of each situation in a thread",
            "open calls: half wait for a kernel that offers the tool, half for a consent",
            "unused tools: the bytes of a request to the provider",
        ],
    )


# ------------------------------------------------------------------------------- one call


async def measure_calls(database: str, calls: int) -> dict[str, Times]:
    """Call the function in turn in each situation; return the times of each."""
    found = {situation: Times() for situation in SITUATIONS}
    async with _running(database) as running:
        server = await running.server()
        kernel = Kernel(running.environment_of(server), running.here.folder)
        try:
            for begun in range(0, calls, CALLS_OF_THREAD):
                kernel.run(FUNCTION.replace("NUMBER", str(begun)))
                thread = json.loads(kernel.run("print(json.dumps(chat.thread))").text)
                warm_up = 1 if begun else 5
                for number in range(-warm_up, min(CALLS_OF_THREAD, calls - begun)):
                    for situation, times in found.items():
                        direct_s = int(kernel.run(DIRECTLY).text) / 1e9
                        await _call(server, kernel, thread, situation)
                        if number >= 0:
                            _note(times, direct_s, await _newest_reply(server, thread))
        finally:
            kernel.close()
    return found


async def _call(server: Server, kernel: Kernel, thread: str, situation: str) -> None:
    """Send a message whose answer calls the function once; wait for the end of the answer."""
    if situation == SITUATIONS[1]:
        kernel.run(ASK)
        return
    sent = await server.send(thread, "go")

    async def look() -> bool:
        return (await server.run(sent["run"]["id"]))["status"] == "completed"

    await eventually(look, every_s=LOOK_S, what="the end of an answer")


async def _newest_reply(server: Server, thread: str) -> dict[str, Any]:
    state = await server.get(f"threads/{thread}/messages?limit=1")
    return dict(state["messages"][-1])


def _note(times: Times, direct_s: float, reply: dict[str, Any]) -> None:
    """Read the stamps of a reply: the model's, the function's, and again the model's."""
    parts = {part["kind"]: part for part in reply["parts"]}
    result = parts["tool_result"]
    assert result["success"], result["output"]
    begun_ns, ended_ns = result["output"]
    to_function = age_s(parts["tool_call"]["input"]["asked"], begun_ns)
    called = age_s(parts["tool_call"]["input"]["asked"], ended_ns)
    to_model = _later_s(ended_ns, parts["text"]["text"])
    times.directly.append(direct_s)
    times.to_function.append(to_function)
    times.to_model.append(to_model)
    times.called.append(called + to_model)


def _later_s(then_ns: int, stamped: str) -> float:
    now_ns = time.monotonic_ns()
    return (now_ns - then_ns) / 1e9 - age_s(stamped, now_ns)


def _call_row(name: str, times: Times) -> list[str]:
    direct_s = percentile(times.directly, 0.5)
    added = [each - direct_s for each in times.called]
    ways = f"to the function {_p50(times.to_function)}, back to the model {_p50(times.to_model)}"
    return [
        name,
        f"**{_p50(added)} ms**",
        f"{ms(percentile(added, 0.99))} ms",
        "60 ms",
        f"{_p50(times.called)} ms",
        f"{_p50(times.directly)} ms",
        f"{ways} ms",
    ]


def _p50(values: list[float]) -> str:
    return ms(percentile(values, 0.5))


# ------------------------------------------------------------------------------- open calls


async def measure_open(database: str, count: int, seconds: float) -> tuple[Shares, Shares]:
    """Make one round; return the shares of the server with open calls, and of the one without."""
    async with _running(database) as running:
        servers = [await running.server(name) for name in ("with", "without")]
        threads = await _make_open(servers[0], count)
        for server in servers:  # nothing of the making is measured
            server.kill()
            await server.start()
            await server.get("models")
        async with _offered(servers[0], threads):
            await asyncio.sleep(SETTLED_S)
            before, began = running.cpu_s(servers), time.monotonic()
            await asyncio.sleep(seconds)
            after, taken_s = running.cpu_s(servers), time.monotonic() - began
            counts = await servers[0].get("status")
    assert counts["runs"].get("waiting") == count, counts
    found = [
        Shares(server=(b[0] - a[0]) / taken_s, postgres=(b[1] - a[1]) / taken_s)
        for a, b in zip(before, after, strict=True)
    ]
    return found[0], found[1]


async def _make_open(server: Server, count: int) -> list[str]:
    """Make runs whose calls are open; return their threads."""
    threads = await server.make_threads(count, "demo/tools")
    async with _offered(server, threads):
        for number, thread in enumerate(threads):
            message = "look {}" if number % 2 else "train {}"
            await server.send(thread, message, params={"chars_per_second": 0})
        await server.until_counted(lambda runs: runs.get("waiting") == count)
    return threads


@asynccontextmanager
async def _offered(server: Server, threads: list[str]) -> AsyncIterator[None]:
    """Hold a socket open that offers two tools in all these threads."""
    socket = await _socket(server)
    tools = [_tool("look", "read", "function"), _tool("train", "run", "function")]
    for thread in threads:
        await socket.send_json(_offer(thread, tools))
        assert (await socket.receive_json())["op"] == "offered"
    reading = asyncio.ensure_future(_read(socket))  # aiohttp answers pings while it reads
    try:
        yield
        assert not reading.done(), "the server closed the socket"
    finally:
        await socket.close()
        await reading


async def _read(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


async def _socket(server: Server) -> aiohttp.ClientWebSocketResponse:
    return await server.session.ws_connect(server.url.replace("http", "ws", 1) + "ws")


def _offer(thread: str, tools: list[dict[str, Any]]) -> dict[str, Any]:
    frame = {"op": "offer", "thread": thread, "executor": "k", "label": "kernel", "where": "kernel"}
    return {**frame, "tools": tools}


def _tool(name: str, effect: str, source: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"The tool {name}.",
        "input_schema": {"type": "object"},
        "where": "kernel",
        "effect": effect,
        "source": source,
    }


def _open_row(name: str, with_: Shares, without: Shares) -> list[str]:
    added = with_.postgres - without.postgres
    return [
        name,
        f"**{_percent(with_.server - without.server)}**",
        "",
        "1 %",
        _percent(with_.server),
        _percent(without.server),
        f"besides, of its Postgres {_percent(added)}" if with_.postgres else "",
    ]


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"


# ------------------------------------------------------------------------------- unused tools


async def measure_unused(count: int) -> tuple[int, int]:
    """Return the bytes of a request to the provider with and without unused tools in the thread."""
    with FakeAnthropic() as fake:
        keys = {"ANTHROPIC_BASE_URL": fake.url, "ANTHROPIC_API_KEY": "sk-of-nobody"}
        async with _running("SQLite", keys) as running:
            server = await running.server()
            socket = await _socket(server)
            threads = await server.make_threads(2, "anthropic/claude-sonnet-5-5")
            tools = [_tool(f"tool_{number}", "read", "builtin") for number in range(count)]
            await socket.send_json(_offer(threads[0], tools))
            assert (await socket.receive_json())["op"] == "offered"
            for thread in threads:
                sent = await server.send(thread, "Hello")
                await server.until_run(sent["run"]["id"], ("completed",))
            await socket.close()
    first, second = (request.size_bytes for request in fake.requests)
    return first, second


def _unused_row(with_: int, without: int) -> list[str]:
    added = f"**{with_ - without} bytes**"
    return ["unused tools", added, "", "0 bytes", f"{with_} bytes", f"{without} bytes", ""]


# ------------------------------------------------------------------------------- the processes


@dataclass(frozen=True, kw_only=True)
class MeasuredPlace:
    """A place with servers; their databases end after them, with ``stack``."""

    here: Place
    session: aiohttp.ClientSession
    stack: ExitStack
    database: str
    postgres: dict[str, Postgres] = field(default_factory=dict)  # by the name of its server

    async def server(self, name: str = "server") -> Server:
        """Start a server in a database of its own."""
        settings = {}
        if self.database == "Postgres":
            postgres = self.postgres[name] = self.stack.enter_context(Postgres())
            settings["database_url"] = postgres.url(postgres.create_database())
        return await self.here.server(self.session, name=name, **settings)

    def cpu_s(self, servers: list[Server]) -> list[tuple[float, float]]:
        """Return the CPU times of each server and of its Postgres so far."""
        processes = [self.postgres.get(server.folder.name) for server in servers]
        theirs = [0.0 if one is None else cpu_s(one.pid, family=True) for one in processes]
        return [(cpu_s(s.pid or 0), its) for s, its in zip(servers, theirs, strict=True)]

    def environment_of(self, server: Server) -> dict[str, str]:
        """Return the environment of a kernel whose chats are at this server."""
        runtime = Path(self.here.environment["JUPYTER_RUNTIME_DIR"]) / "chat-stream"
        for file in runtime.glob(f"connection-{server.pid}-*.json"):
            return {**self.here.environment, CONNECTION_ENV: str(file)}
        raise RuntimeError(f"The server {server.pid} has written no connection file.")


@asynccontextmanager
async def _running(
    database: str, environment: dict[str, str] | None = None
) -> AsyncIterator[MeasuredPlace]:
    """Make a place for servers, each with a database of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-stream-bench-")))
        async with place(folder) as (here, session):
            here.environment.update(JUPYTER_RUNTIME_DIR=str(folder / "runtime"))
            here.environment.update(environment or {})
            yield MeasuredPlace(here=here, session=session, stack=stack, database=database)
