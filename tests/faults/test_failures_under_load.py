"""Every failure of a provider at the same moment, beside answers that nothing befalls."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_chat_stream.testing import Answer, FakeAnthropic, Request, reply_to
from tests.faults.databases import FaultyDatabase
from tests.faults.failures import CUTS, FINAL, PASSING
from tests.faults.harness import KEY, Server
from tests.faults.laws import assert_log_keeps_the_laws

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CLAUDE = "anthropic/claude-sonnet-5-5"
CHARS = 400
AFTER_CHUNKS = 5
WELL = 7
# name of the case -> what is answered once, the status and the error's code it ends with
CASES: dict[str, tuple[dict[str, Any], str, str | None]] = {
    **{f"final {name}": (answer, "failed", code) for name, (answer, code) in FINAL.items()},
    **{f"passing {name}": (answer, "completed", None) for name, (answer, _) in PASSING.items()},
    **{
        f"cut {name}": ({**answer, "after_chunks": AFTER_CHUNKS}, "completed", None)
        for name, (answer, _) in CUTS.items()
    },
    **{f"well {number}": ({}, "completed", None) for number in range(WELL)},
}


class Script:
    """Answers each case's first request as it says, and every later one well."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        with self._lock:
            self.asked[request.user_text] += 1
            number = self.asked[request.user_text]
        paced = {"chars": CHARS, "chunk_chars": 8, "delay_s": 0.005}
        scripted = CASES[request.user_text][0] if number == 1 else {}
        return Answer(**{**paced, **scripted})


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def api(script: Script) -> Iterator[FakeAnthropic]:
    with FakeAnthropic(default=script) as fake:
        yield fake


async def ask(server: Server, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask, wait for the end; give run and reply."""
    sent = await server.send(await server.thread(CLAUDE), name)
    run = await server.until_run(sent["run"]["id"], ("completed", "failed"), within_s=60)
    return run, await server.message(run["thread_id"], run["id"])


async def test_of_thirty_answers_at_once_each_ends_as_its_failure_says(
    make_server: Any, api: FakeAnthropic, script: Script, faulty_database: FaultyDatabase
) -> None:
    """L4, L10: no failure harms another run, and none is asked more often than it may be."""
    environment = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY}
    # On a busy machine the first call of the SDK alone may take three seconds.
    settings = {**faulty_database.settings, "stall_timeout_s": 8.0}
    server = await make_server(environment=environment, **settings).start()
    ends = await asyncio.gather(*[ask(server, name) for name in CASES])
    for name, (run, reply) in zip(CASES, ends, strict=True):
        _, status, code = CASES[name]
        assert (run["status"], (run["error"] or {}).get("code")) == (status, code), name
        assert_log_keeps_the_laws(await server.events(run["thread_id"]))
        if status == "completed":
            assert reply["content"] == reply_to(name, CHARS), name
            assert script.asked[name] == run["attempt"], name
        else:
            assert (run["attempt"], script.asked[name]) == (1, 1), name
    server.kill()
    faulty_database.assert_whole()
