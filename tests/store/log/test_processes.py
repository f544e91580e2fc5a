"""Real processes on one database: each has a writer of its own, and the log stays one log."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.store.harness import PATIENCE_S, StoreHarness, completed

pytestmark = pytest.mark.faults

APPENDS = 60

# Writes a run of its own and the runs of the shared thread, then says what it wrote.
WORK = """
import json, sys
from jupyter_chat_stream.store.chat.threads import find_by_name
from tests.store.harness import StoreHarness, completed
url, name, appends = sys.argv[1], sys.argv[2], int(sys.argv[3])
harness = StoreHarness(url)
thread = harness.look(lambda conn: find_by_name(conn, "local", "", "shared"))
print("ready", flush=True)
sys.stdin.readline()
claimed = harness.claimed(harness.thread(name=name), owner=name)
futures = []
for number in range(appends):
    futures.append(harness.put(claimed, f"{name}{number} "))
    harness.send(thread)
for future in futures:
    future.result(20)
print(json.dumps(claimed.run.thread.pk), flush=True)
sys.stdin.readline()
harness.append(claimed, *completed(""))
harness.close()
"""


class Worker:
    def __init__(self, url: str, name: str, appends: int = APPENDS) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORK, url, name, str(appends)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)

    def end(self) -> int:
        self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode


@pytest.fixture
def workers(harness: StoreHarness):  # type: ignore[no-untyped-def]
    harness.thread(name="shared")
    made = [Worker(harness.url, name) for name in ("one", "two")]
    for worker in made:
        assert worker.hear() == "ready"
    yield made
    for worker in made:
        worker.kill()
        worker.end()


def test_two_processes_that_write_at_once_stay_dense(
    harness: StoreHarness, workers: list[Worker]
) -> None:
    """L1, L7: one thread each, and one that both write."""
    for worker in workers:
        worker.say()
    pks = [json.loads(worker.hear()) for worker in workers]
    for worker in workers:
        worker.say()
        assert worker.end() == 0
    assert harness.damage() == []
    for pk, worker in zip(pks, workers, strict=True):
        sql = "SELECT COUNT(*), MAX(seq) FROM event WHERE thread = :pk"
        count, last = _row(harness, sql, pk=pk)
        assert count == last == 5 + APPENDS + 1
        text = harness.scalar(
            "SELECT parts FROM message WHERE thread = :pk AND role <> 'user'", pk=pk
        )
        whole = "".join(f"{worker.name}{number} " for number in range(APPENDS))
        assert json.loads(text) == [{"kind": "text", "text": whole}]
    shared = harness.scalar("SELECT pk FROM thread WHERE name = 'shared'")
    count, last = _row(harness, sql, pk=shared)
    assert count == last == 1 + 2 * 2 * APPENDS


def test_a_process_that_is_killed_leaves_whole_transactions(
    harness: StoreHarness, workers: list[Worker]
) -> None:
    """L2, L4, L7: whatever moment it dies at, and what it had told is there."""
    victim, survivor = workers
    for worker in workers:
        worker.say()
    pk = json.loads(victim.hear())
    victim.kill()
    victim.end()
    survivor.hear()
    survivor.say()
    assert survivor.end() == 0
    assert harness.damage() == []
    deltas = harness.scalar(
        "SELECT COUNT(*) FROM event WHERE thread = :pk AND type = 'delta'", pk=pk
    )
    assert deltas == APPENDS
    left = next(d for d in harness.look(_due) if d.holder == victim.name)
    claimed = harness.claim(left.run, "01next")
    assert claimed is not None
    harness.append(claimed, *completed(""))
    assert harness.damage() == []


def _due(conn):  # type: ignore[no-untyped-def]
    from jupyter_chat_stream.store.chat.due import find_due

    return find_due(conn, 2**50)


def _row(harness: StoreHarness, sql: str, **params: int) -> tuple[int, int]:
    from jupyter_chat_stream.store.log.transaction import execute

    return tuple(harness.look(lambda conn: execute(conn, sql, params).one()))
