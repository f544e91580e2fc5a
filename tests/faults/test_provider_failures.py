"""Every way a provider fails, through a real server and the real SDK: its end and its code."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from jupyter_chat_stream.providers.continuation import CONTINUE_MARK
from jupyter_chat_stream.testing import reply_to
from tests.faults.failures import CUTS, FINAL, PASSING, http_error
from tests.faults.harness import FakeApi, Server
from tests.faults.laws import assert_file_is_whole, assert_log_keeps_the_laws

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CLAUDE = "anthropic/claude-sonnet-5-5"
CHARS = 200
MAX_RETRIES = 1


@pytest.fixture
def fake(make_fake: Any) -> FakeApi:
    return make_fake(chars=CHARS, chunk_chars=8)


@pytest.fixture
async def server(make_server: Any, fake: FakeApi, request: pytest.FixtureRequest) -> Server:
    made = make_server(environment=fake.environment, max_retries=MAX_RETRIES, **stall_of(request))
    assert isinstance(made, Server)
    return await made.start()


def stall_of(request: pytest.FixtureRequest) -> dict[str, float]:
    """Only where silence is tested is the patience short: a busy machine is silent, too."""
    return {"stall_timeout_s": 1.0} if "silen" in request.node.name else {}


async def answer(server: Server, model: str = CLAUDE) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask, wait for the end; give run and reply."""
    sent = await server.send(await server.thread(model))
    ends = ("completed", "failed", "cancelled", "interrupted")
    run = await server.until_run(sent["run"]["id"], ends)
    return run, await server.message(run["thread_id"], run["id"])


async def events_of(server: Server, run: dict[str, Any]) -> list[dict[str, Any]]:
    return assert_log_keeps_the_laws(await server.events(run["thread_id"]))[run["id"]]


@pytest.mark.parametrize("name", FINAL)
async def test_what_no_retry_can_help_fails_at_once(
    server: Server, fake: FakeApi, name: str
) -> None:
    """One request, one `error` with the code, one end."""
    scripted, code = FINAL[name]
    fake.queue(scripted)
    run, reply = await answer(server)
    assert (run["status"], run["attempt"]) == ("failed", 1)
    assert run["error"] == reply["error"]
    assert (run["error"]["code"], run["error"]["retryable"]) == (code, False)
    assert len(fake.requests) == 1
    types = [event["type"] for event in await events_of(server, run)]
    assert types[-2:] == ["error", "finalized"]


async def test_without_a_key_the_run_says_so(make_server: Any, fake: FakeApi) -> None:
    environment = {"ANTHROPIC_BASE_URL": fake.url, "ANTHROPIC_API_KEY": ""}
    server = await make_server(environment=environment).start()
    run, _ = await answer(server)
    assert (run["status"], run["error"]["code"]) == ("failed", "missing_key")
    assert "ANTHROPIC_API_KEY" in run["error"]["message"]
    assert fake.requests == []


@pytest.mark.parametrize("name", PASSING)
async def test_what_passes_is_tried_again_and_the_wait_is_visible(
    server: Server, fake: FakeApi, name: str
) -> None:
    """A `status` says `retrying`, why and until when; the next attempt answers."""
    scripted, code = PASSING[name]
    fake.queue(scripted)
    run, reply = await answer(server)
    assert (run["status"], run["attempt"], run["error"]) == ("completed", 2, None)
    assert reply["content"] == reply_to("Hello", CHARS)
    assert len(fake.requests) == 2
    events = await events_of(server, run)
    waits = [event for event in events if event.get("phase") == "retrying"]
    assert [event["detail"] for event in waits] == [code]
    assert_waited(events, waits[0])


def assert_waited(events: list[dict[str, Any]], wait: dict[str, Any]) -> None:
    """Nothing of the next attempt comes before the time that was named."""
    following = next(event for event in events if event["seq"] > wait["seq"])
    assert following["attempt"] == wait["attempt"] + 1
    assert following["at"] >= wait["until"] > wait["at"]


@pytest.mark.parametrize("name", PASSING)
async def test_what_does_not_pass_fails_after_the_last_retry(
    server: Server, fake: FakeApi, name: str
) -> None:
    scripted, code = PASSING[name]
    fake.queue(*[scripted] * (MAX_RETRIES + 1))
    run, reply = await answer(server)
    assert (run["status"], run["attempt"]) == ("failed", MAX_RETRIES + 1)
    assert (run["error"]["code"], run["error"]["retryable"]) == (code, True)
    assert reply["parts"] == []
    assert len(fake.requests) == MAX_RETRIES + 1
    await events_of(server, run)


@pytest.mark.parametrize(
    ("header", "least_s"),
    [({"retry_after": "2"}, 2.0), ({"retry_after_ms": "1500"}, 1.5)],
    ids=["seconds", "milliseconds"],
)
async def test_the_provider_s_retry_after_is_kept(
    server: Server, fake: FakeApi, header: dict[str, str], least_s: float
) -> None:
    fake.queue(http_error(429, "rate_limit_error", **header))
    run, _ = await answer(server)
    assert run["status"] == "completed"
    events = await events_of(server, run)
    wait = next(event for event in events if event.get("phase") == "retrying")
    assert_waited(events, wait)
    waited = datetime.fromisoformat(wait["until"][:-1]) - datetime.fromisoformat(wait["at"][:-1])
    assert waited.total_seconds() >= least_s - 0.1  # the wait began with the answer, not its event


async def test_a_long_wait_holds_nothing_and_the_sweep_comes_back(
    server: Server, fake: FakeApi
) -> None:
    """L10: over five seconds the run has a time to wake and no owner; it counts no crash."""
    fake.queue(http_error(529, "overloaded_error", retry_after="5"))
    run, reply = await answer(server)
    assert (run["status"], run["attempt"]) == ("completed", 2)
    assert reply["content"] == reply_to("Hello", CHARS)
    events = await events_of(server, run)
    assert_waited(events, next(event for event in events if event.get("phase") == "retrying"))


@pytest.mark.parametrize("name", CUTS)
async def test_a_stream_that_breaks_is_gone_on_with_and_its_text_kept(
    server: Server, fake: FakeApi, name: str
) -> None:
    """The next attempt opens a new part; the prompt to go on is a user's message."""
    scripted, code = CUTS[name]
    fake.queue({**scripted, "after_chunks": 5, "chars": CHARS, "chunk_chars": 8})
    run, reply = await answer(server)
    assert (run["status"], run["attempt"]) == ("completed", 2)
    assert reply["content"] == reply_to("Hello", CHARS)
    texts = [part["text"] for part in reply["parts"]]
    assert texts == [reply_to("Hello", CHARS)[:40], reply_to("Hello", CHARS)[40:]]
    first, second = fake.requests
    assert [m["role"] for m in first.body["messages"]] == ["user"]
    assert [m["role"] for m in second.body["messages"]] == ["user", "assistant", "user"]
    assert CONTINUE_MARK in json.dumps(second.body["messages"][-1])
    events = await events_of(server, run)
    assert [e["detail"] for e in events if e.get("phase") == "retrying"] == [code]
    assert [e["phase"] for e in events if e["type"] == "status"][-2:] == ["continuing", "building"]


@pytest.mark.parametrize("name", CUTS)
async def test_a_broken_stream_is_interrupted_where_that_is_wanted(
    make_server: Any, fake: FakeApi, name: str, request: pytest.FixtureRequest
) -> None:
    settings = {"on_crash": "interrupt", **stall_of(request)}
    server = await make_server(environment=fake.environment, **settings).start()
    scripted, code = CUTS[name]
    fake.queue({**scripted, "after_chunks": 5, "chars": CHARS, "chunk_chars": 8})
    run, reply = await answer(server)
    assert (run["status"], run["error"]["code"]) == ("interrupted", code)
    assert reply["content"] == reply_to("Hello", CHARS)[:40]
    again = (await server.post(f"runs/{run['id']}/continue"))["run"]
    await server.until_run(again["id"], ("completed",))
    assert again["continues"] == run["id"]
    whole = await server.message(run["thread_id"], again["id"])
    assert whole["content"] == reply_to("Hello", CHARS)
    await events_of(server, run)


@pytest.mark.parametrize("retry_after", ["0", "5"], ids=["short wait", "long wait"])
async def test_a_broken_stream_starts_anew_where_that_is_wanted(
    make_server: Any, fake: FakeApi, retry_after: str
) -> None:
    """However long the wait was, and whoever made the next attempt."""
    server = await make_server(environment=fake.environment, on_crash="restart").start()
    headers = {"retry-after": retry_after}
    fake.queue({"fault": "error", "after_chunks": 5, "headers": headers, "chunk_chars": 8})
    run, reply = await answer(server)
    assert (run["status"], run["attempt"]) == ("completed", 2)
    assert [part["text"] for part in reply["parts"]] == [reply_to("Hello", CHARS)]
    assert [request.is_continuation for request in fake.requests] == [False, False]
    await events_of(server, run)


async def test_all_that_failed_left_a_whole_file(server: Server, fake: FakeApi) -> None:
    """L7, over a failure of each kind in one database."""
    cuts = [scripted for scripted, code in CUTS.values() if code != "stalled"]
    for scripted in (*(scripted for scripted, _ in FINAL.values()), *cuts):
        fake.queue({**scripted, "after_chunks": 3})
        await answer(server)
    server.kill()
    assert_file_is_whole(server.database)
