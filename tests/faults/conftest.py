"""Processes for the fault tests; each ends with its test, whatever happened to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REWRITTEN = (
    *("harness", "laws", "databases", "processes", "readers", "random_kills", "executors"),
)
pytest.register_assert_rewrite(*(f"tests.faults.{name}" for name in REWRITTEN))

from tests.faults.databases import FaultyDatabase, FaultyPostgres, FaultySqlite, is_running  # noqa: E402
from tests.faults.executors import KernelProcess, kernel_environment  # noqa: E402
from tests.faults.harness import FakeApi, ForkServer, Server, Worker  # noqa: E402  rewritten first
from tests.postgres import Postgres  # noqa: E402

MakeServer = Callable[..., Server]
MakeWorker = Callable[..., Worker]
MakeFake = Callable[..., FakeApi]


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """The process that forks servers."""
    made = ForkServer()
    yield made
    made.close()


@pytest.fixture(scope="session")
def breakable() -> Iterator[Postgres]:
    """A Postgres to kill; it loses nothing that it said was committed, as no machine fails here."""
    with Postgres(fsync=True) as server:
        with server.connect() as conn:  # a process's death leaves what it wrote with the system
            conn.execute("ALTER SYSTEM SET fsync = off")
            conn.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture
def faulty_postgres(breakable: Postgres) -> FaultyPostgres:
    """An empty database of the Postgres that may be killed; all of them go with it."""
    if not is_running(breakable):
        breakable.start()
    return FaultyPostgres(breakable)


@pytest.fixture
def faulty_sqlite(tmp_path: Path) -> FaultySqlite:
    """A file that is not there yet."""
    return FaultySqlite(tmp_path / "chat.db")


@pytest.fixture(params=["sqlite", "postgres"])
def faulty_database(request: pytest.FixtureRequest) -> FaultyDatabase:
    """Either of them."""
    found: FaultyDatabase = request.getfixturevalue(f"faulty_{request.param}")
    return found


@pytest.fixture
def make_server(
    tmp_path: Path, jupyter_environment: dict[str, str], fork_server: ForkServer
) -> Iterator[MakeServer]:
    """Make a server, not yet started; ``environment`` adds to its environment."""
    made: list[Server] = []

    def make(**given: Any) -> Server:
        environment = {**jupyter_environment, **given.pop("environment", {})}
        given.setdefault("fork_server", fork_server)
        made.append(Server(tmp_path, environment, **given))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def make_worker(
    tmp_path: Path, jupyter_environment: dict[str, str], fork_server: ForkServer
) -> Iterator[MakeWorker]:
    """Make a worker, not yet started; ``database_url`` is one of its settings."""
    made: list[Worker] = []

    def make(**given: Any) -> Worker:
        environment = {**jupyter_environment, **given.pop("environment", {})}
        given.setdefault("fork_server", fork_server)
        made.append(Worker(tmp_path, environment, number=len(made), **given))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


@pytest.fixture(scope="session")
def kernel_fork_server() -> Iterator[ForkServer]:
    """The process that forks kernels."""
    made = ForkServer("tests.faults.kernel_process", "tests.faults.process_faults")
    yield made
    made.close()


@pytest.fixture
def make_kernel(
    tmp_path: Path, kernel_fork_server: ForkServer
) -> Iterator[Callable[[Server, str], KernelProcess]]:
    """Make the kernel of a thread at a server, not yet started."""
    made: list[KernelProcess] = []

    def make(server: Server, thread: str) -> KernelProcess:
        environment = kernel_environment(server)
        made.append(
            KernelProcess(tmp_path, environment, thread=thread, fork_server=kernel_fork_server)
        )
        return made[-1]

    yield make
    for kernel in made:
        kernel.close()


@pytest.fixture
def make_fake() -> Iterator[MakeFake]:
    """Start a fake API; the arguments are its usual answer, and which `api` it is."""
    made: list[FakeApi] = []

    def make(**default: Any) -> FakeApi:
        made.append(FakeApi(**default))
        return made[-1]

    yield make
    for fake in made:
        fake.close()
