"""Whatever runs is killed at random moments while five answers stream; nothing seen may be lost.

``JCS_KILLS`` and ``JCS_KILLS_POSTGRES`` set the number of kills (a soak has 1000: soak.py);
``JCS_SEED`` repeats a run's moments. The kills come in rounds of at most 50, each with a fresh
database. Every tenth process is started as a person starts it; the fork server starts the others.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.faults.databases import FaultyPostgres, FaultySqlite
from tests.faults.random_kills import CHARS, CHUNK_CHARS, CHUNKS_PER_S, NO_LIMIT, RandomKills

pytestmark = [pytest.mark.faults, pytest.mark.slow]

KILLS = int(os.environ.get("JCS_KILLS", "50"))
KILLS_POSTGRES = int(os.environ.get("JCS_KILLS_POSTGRES", "15"))
SEED = int(os.environ.get("JCS_SEED", "0"))
ROUND = 50
WORKERS = 2


@pytest.mark.timeout(240 * max(1, KILLS // ROUND))
async def test_no_kill_loses_what_was_seen_or_answers_twice(
    make_server: Any, make_fake: Any, tmp_path: Path, record_property: Any
) -> None:
    """L1 to L7, L10 and L11 hold over SIGKILL, for whoever reads by whatever way."""
    for number, start in enumerate(range(0, KILLS, ROUND)):
        fake = make_fake(chars=CHARS, chunk_chars=CHUNK_CHARS, delay_s=1 / CHUNKS_PER_S)
        faulty_database = FaultySqlite(tmp_path / f"round-{number}" / "chat.db")
        server = make_server(
            environment=fake.environment, max_crashes=NO_LIMIT, database=faulty_database.path
        )
        chance = random.Random(SEED + number)
        random_kills = RandomKills(
            faulty_database=faulty_database, server=server, fake=fake, chance=chance
        )
        record_property(f"round {number}", str(await random_kills.rage(min(ROUND, KILLS - start))))


@pytest.mark.timeout(240)
async def test_no_kill_of_server_worker_or_postgres_loses_what_was_seen_or_answers_twice(
    make_server: Any,
    make_worker: Any,
    make_fake: Any,
    faulty_postgres: FaultyPostgres,
    record_property: Any,
) -> None:
    """The same where one server shows what two workers make, and the database dies as well."""
    fake = make_fake(chars=CHARS // 2, chunk_chars=CHUNK_CHARS, delay_s=1 / CHUNKS_PER_S)
    settings = {**faulty_postgres.settings, "max_crashes": NO_LIMIT}
    server = make_server(environment=fake.environment, run_in_server=False, **settings)
    workers = [make_worker(environment=fake.environment, **settings) for _ in range(WORKERS)]
    chance = random.Random(SEED)
    random_kills = RandomKills(
        faulty_database=faulty_postgres,
        server=server,
        others=workers,
        fake=fake,
        chance=chance,
        chars=CHARS // 2,
    )
    record_property("random_kills", str(await random_kills.rage(KILLS_POSTGRES)))
