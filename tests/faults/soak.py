"""The fault tests for hours: thousands of kills on both databases, then the faults that take long.

Even rounds: one server, on Postgres with two workers; odd rounds: two servers on one database.
Every round of 50 kills has a fresh database and its own seed (`--seed` plus its number), so one
that fails is repeated alone: `make soak SOAK="--database postgres --seed 7 --first 12"`. It stops
at the first law that is broken, and says how to come back to it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from scripts.setup_env import PYTHON, environment
from scripts.terminal import say
from tests.conftest import FOREIGN_PREFIXES, PYTHONPATH, home_environment
from tests.faults.databases import FaultyPostgres, FaultySqlite, is_running
from tests.faults.harness import FakeApi, Server, Worker
from tests.faults.processes import ROOT, ForkServer
from tests.faults.random_kills import CHARS, CHUNK_CHARS, CHUNKS_PER_S, NO_LIMIT, RandomKills
from tests.guard import refuse_foreign_connections
from tests.postgres import Postgres

KILLS = 1_000
ROUND = 50
WORKERS = 2
MINUTES = 120.0
DATABASES = ("sqlite", "postgres")
TABLES = ("thread", "message", "run", "lease", "event")
# What the tests do for moments, and here for as long as it may take in life.
LONG = {"JCS_OUTAGE_S": "40", "JCS_SUSPEND_S": "60", "JCS_LOCK_S": "20"}
LONG_TESTS = (
    "tests/faults/test_postgres_trouble.py",
    "tests/faults/test_stopped_processes.py",
    "tests/faults/test_storage_trouble.py",
)


def main() -> int:
    """Soak; answer 1 where a law was broken or the time was over first."""
    given = _arguments()
    deadline = time.monotonic() + given.minutes * 60
    for database in DATABASES if given.database == "both" else (given.database,):
        rounds = -(-given.kills // ROUND)
        for number in range(given.first, rounds):
            if time.monotonic() > deadline:
                say(f"Time is over before round {number} on {database}: go on with --first")
                return 1
            kills = min(ROUND, given.kills - number * ROUND)
            if not _round(database, given.seed + number, number, kills):
                again = f"--database {database} --seed {given.seed} --first {number}"
                say(f'Broken. Once more: make soak SOAK="{again}"')
                return 1
    if given.skip_long:
        return 0
    say("The faults that take long")
    command = [str(PYTHON), "-m", "pytest", *LONG_TESTS]
    env = {**environment(), **LONG}
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="on each database (1000)")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--first", type=int, default=0, help="the round to begin with (0)")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="no round begins later")
    parser.add_argument("--skip-long", action="store_true", help="kills only")
    return parser.parse_args()


def _round(database: str, seed: int, number: int, kills: int) -> bool:
    """Do one round; True where every law was kept. What is left of a broken one is kept."""
    refuse_foreign_connections()
    folder = Path(tempfile.mkdtemp(prefix=f"chat-stream-soak-{database}-{number}-"))
    began = time.monotonic()
    try:
        counts = asyncio.run(_rage(database, folder, seed, number, kills))
    except (TimeoutError, AssertionError) as broken:
        say(f"{database}, round {number}, seed {seed}: {str(broken) or type(broken).__name__}")
        say(f"The processes' logs and what the tables held are in {folder}")
        return False
    took_s = time.monotonic() - began
    say(f"{database}, round {number}, seed {seed}, {took_s:.0f} s: {counts}")
    shutil.rmtree(folder, ignore_errors=True)
    return True


async def _rage(database: str, folder: Path, seed: int, number: int, kills: int) -> object:
    with ExitStack() as ends:
        fork_server = ForkServer()
        ends.callback(fork_server.close)
        fake = FakeApi(chars=CHARS, chunk_chars=CHUNK_CHARS, delay_s=1 / CHUNKS_PER_S)
        ends.callback(fake.close)
        own = {n: v for n, v in os.environ.items() if not n.upper().startswith(FOREIGN_PREFIXES)}
        env = {**own, **home_environment(folder / "home"), "PYTHONPATH": PYTHONPATH}
        common: dict[str, Any] = {
            "environment": {**env, **fake.environment},
            "fork_server": fork_server,
            "max_crashes": NO_LIMIT,
        }
        faulty_database: FaultySqlite | FaultyPostgres
        if database == "sqlite":
            faulty_database = FaultySqlite(folder / "chat.db")
        else:
            faulty_database = FaultyPostgres(ends.enter_context(Postgres(fsync=True)))
        common |= faulty_database.settings
        others: list[Server | Worker] = []
        if number % 2:
            server, others = Server(folder, **common), [Server(folder, **common)]
        elif database == "sqlite":
            server = Server(folder, **common)
        else:
            server = Server(folder, **common, run_in_server=False)
            others = [Worker(folder, number=each, **common) for each in range(WORKERS)]
        for process in (server, *others):
            ends.callback(process.close)
        random_kills = RandomKills(
            faulty_database=faulty_database,
            server=server,
            others=others,
            fake=fake,
            chance=random.Random(seed),
            freezes=True,
        )
        try:
            return await random_kills.rage(kills)
        except BaseException:
            _keep(faulty_database, folder)
            raise


def _keep(faulty_database: FaultySqlite | FaultyPostgres, folder: Path) -> None:
    """Write down what a Postgres held that is about to go; a file stays by itself."""
    if isinstance(faulty_database, FaultyPostgres):
        if not is_running(faulty_database.server):
            faulty_database.server.start()
        for name in TABLES:
            rows = faulty_database.rows(f"SELECT * FROM {name}")
            (folder / f"{name}.txt").write_text("\n".join(map(repr, rows)))


if __name__ == "__main__":
    sys.exit(main())
