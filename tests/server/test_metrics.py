"""What ``/metrics`` tells, where it comes from, and that every name is documented and drawn."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jupyter_chat_stream.metrics import collector
from jupyter_chat_stream.metrics.meter import METER, Meter
from tests.runs.calls import call, tool
from tests.server.conftest import StartServer
from tests.server.harness import PATIENCE_S, ChatServer, until
from tests.server.test_tools import offering, thread_of, waiting

DOCS = Path(__file__).parents[2] / "docs"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def fresh_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's numbers begin at zero: other tests have counted too."""
    for name, value in vars(Meter()).items():
        monkeypatch.setattr(METER, name, value)
    monkeypatch.setattr(collector.COLLECTOR, "watches", type(collector.COLLECTOR.watches)())


class Metrics:
    """One answer of ``/metrics``, our part of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {
            family.name: family
            for family in text_string_to_metric_families(text)
            if family.name.startswith("chat_stream_")
        }

    def __call__(self, name: str, **labels: str) -> float:
        """Return a sample's value; where labels are left out, the sum over theirs."""
        found = [
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == f"chat_stream_{name}" and labels.items() <= sample.labels.items()
        ]
        assert found, f"no {name} {labels} in\n{self.text}"
        return sum(found)


async def metrics(server: ChatServer) -> Metrics:
    reply = await server.ask("GET", "metrics", url=server.root)
    assert reply.status == 200
    return Metrics(reply.body.decode())


async def test_an_answer_counts_where_it_begins_where_it_ends_and_what_it_wrote(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread()
    sent = await chat_server.answered(thread_id, "Hello")
    got = await metrics(chat_server)
    assert got("runs_ended_total", status="completed", code="", model="demo/echo") == 1
    assert got("attempts_total") == 1
    assert got("first_event_seconds_count", model="demo/echo") == 1
    assert got("run_seconds_count", status="completed") == 1
    assert got("run_seconds_sum") >= got("first_event_seconds_sum") >= 0
    log = (await chat_server.ask("GET", f"threads/{thread_id}/events?raw=1")).json["events"]
    assert got("events_total") == len(log)
    for type_ in {event["type"] for event in log}:
        assert got("events_total", type=type_) == sum(e["type"] == type_ for e in log)
    assert got("event_text_bytes_total") >= len(sent["reply"]["content"])
    assert got("commit_seconds_count") > 3
    assert got("commit_seconds_bucket", le="+Inf") == got("commit_seconds_count")
    assert got("sweep_delay_seconds_count") > 0


async def test_failures_and_retries_are_told_by_a_code_that_is_known(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread()
    params = {"failure": "bad_key"}
    await chat_server.send(thread_id, "Hello", model="demo/fail", params=params)
    await until(lambda: METER.run_ends)
    got = await metrics(chat_server)
    assert got("runs_ended_total", status="failed", code="bad_key", model="demo/fail") == 1
    again = {"failure": "overloaded"}
    await chat_server.send(thread_id, "Hello", model="demo/fail", params=again)
    await until(lambda: METER.retries)
    assert (await metrics(chat_server))("retries_total", code="overloaded") >= 1


async def test_waits_are_counted_by_what_is_waited_for(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    await chat_server.send(thread_id, "Later", deliver_at="2030-01-01T00:00:00Z")
    await chat_server.send(thread_id, "Ask me", model="demo/ask")
    await until(lambda: METER.waits["question"])
    got = await metrics(chat_server)
    assert got("waits_total", kind="later") == 1
    assert got("waits_total", kind="question") == 1


async def test_what_is_open_is_asked_of_the_database_when_somebody_looks(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread()
    await chat_server.send(thread_id, "Later", deliver_at="2030-01-01T00:00:00Z")
    (watch,) = collector.COLLECTOR.watches
    await watch.take_sample()
    got = await metrics(chat_server)
    assert got("open_runs", status="waiting") == 1
    assert got("open_runs", status="pending") == 0
    assert got("active_runs") == 0
    assert got("info", engine="local", backend="sqlite") == 1


async def test_open_tool_calls_are_counted_by_state_and_the_oldest_tells_its_age(
    chat_server: ChatServer,
) -> None:
    thread = await thread_of(chat_server, [call("c1", "look"), call("c2", "train")])
    socket = await offering(chat_server, thread, tool("look"), tool("train", "run"))
    await socket.next("offered")
    await waiting(chat_server, (await chat_server.send(thread))["run"]["id"])
    (watch,) = collector.COLLECTOR.watches
    await watch.take_sample()
    got = await metrics(chat_server)
    counts = [got("open_tool_calls", state=state) for state in ("asked", "open", "claimed")]
    assert counts == [1, 1, 0]
    assert 0 < got("oldest_open_tool_call_seconds") < PATIENCE_S


async def test_a_reader_that_comes_back_says_how_far_behind_it_was(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread()
    sent = await chat_server.answered(thread_id)
    head = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json["seq"]
    socket = await chat_server.socket()
    for after in (0, 1, head):  # the first has seen nothing: it does not come back
        await socket.send({"op": "subscribe", "thread": thread_id, "after": after})
        await socket.next("live")
    got = await metrics(chat_server)
    assert got("readers") == 1
    assert got("reconnect_behind_events_count") == 2
    assert got("reconnect_behind_events_sum") == head - 1
    assert got("reconnect_behind_events_bucket", le="0") == 1
    assert sent["run"]["status"] == "completed"
    socket.close()


async def test_no_label_holds_what_a_person_chose(start_server: StartServer) -> None:
    server = await start_server()
    thread_id = await server.thread(name="thread-xyzzy", title="title-xyzzy")
    await server.answered(thread_id, "content-xyzzy")
    server.subsystems.watch.runs.models = frozenset()  # as if the model were nobody's
    await server.answered(thread_id, "content-xyzzy")
    got = await metrics(server)
    assert got("runs_ended_total", model="demo/other") == 1
    for private in ("xyzzy", thread_id, server.service.store.new_id()[:5], server.token):
        assert private not in got.text


async def test_services_that_come_and_go_add_up(start_server: StartServer) -> None:
    one = await start_server()
    await one.answered(await one.thread())
    one.subsystems.hub.falls_behind += 3
    await one.service.stop()
    assert not collector.COLLECTOR.watches
    one.host.begin()  # as after a failed start
    await one.host.service()
    await one.answered(await one.thread())
    got = await metrics(one)
    assert got("runs_ended_total", status="completed") == 2
    assert got("reader_switches_total") == 3


async def test_a_run_whose_owner_died_counts_as_taken_over(
    start_server: StartServer, tmp_path: Path
) -> None:
    """L10."""
    idle = await start_server(ChatStream_run_in_server=False)
    sent = await idle.send(await idle.thread())
    await idle.service.stop()
    database = sqlite3.connect(tmp_path / "chat.db")
    with database:
        database.execute("UPDATE run SET owner = 'gone', status = 'processing'")
    database.close()
    idle.host.config.run_in_server = True
    idle.host.begin()
    await idle.host.service()
    ended = await idle.ask("GET", f"threads/{sent['run']['thread_id']}/messages")
    assert ended.status == 200
    await until(lambda: METER.run_ends)
    got = await metrics(idle)
    assert got("takeovers_total") == 1
    assert got("runs_ended_total", model="demo/echo") == 1


# ------------------------------------------------------------------------------ docs and dashboard


def documented() -> dict[str, str]:
    """Return the documented metrics and their kinds."""
    rows = re.findall(
        r"^\| `(chat_stream_\w+)` \| (\w+) \|", (DOCS / "metrics.md").read_text(), re.MULTILINE
    )
    return dict(rows)


async def test_what_is_documented_is_what_is_served(chat_server: ChatServer) -> None:
    got = await metrics(chat_server)
    served = {
        f"{name}_total" if family.type == "counter" else name: family.type
        for name, family in got.families.items()
    }
    assert documented() == served


def dashboard() -> dict[str, Any]:
    return dict(json.loads((DOCS / "grafana.json").read_text()))


def queries() -> list[str]:
    """Return every expression of the dashboard."""
    return [
        target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())
    ]


def test_the_dashboard_draws_every_metric_and_no_other() -> None:
    drawn = set()
    for query in queries():
        for name in re.findall(r"chat_stream_\w+", query):
            plain = re.sub(r"_(bucket|count|sum)$", "", name)
            assert plain in documented(), query
            assert (plain == name) == (documented()[plain] != "histogram"), query
            drawn.add(plain)
    assert drawn == set(documented())


def test_the_dashboard_can_be_imported() -> None:
    board = dashboard()
    assert board["schemaVersion"] >= 36
    assert board["id"] is None
    assert board["title"]
    assert board["templating"]["list"][0]["type"] == "datasource"
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        place = panel["gridPos"]
        assert 0 <= place["x"] <= 24 - place["w"]
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["targets"]


def test_every_query_is_balanced_and_rates_counters_only() -> None:
    for query in queries():
        assert query.count("(") == query.count(")")
        for rated in re.findall(r"rate\((chat_stream_\w+)", query):
            assert rated.endswith(("_total", "_bucket", "_count", "_sum")), query


def test_no_panel_lies_on_another() -> None:
    covered: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & covered, panel["title"]
        covered |= cells
