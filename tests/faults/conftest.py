"""Processes for the fault tests; each ends with its test, whatever happened to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.faults.harness", "tests.faults.laws", "tests.faults.readers")

from tests.faults.harness import ROOT, FakeApi, Nursery, Server  # noqa: E402  rewritten first

MakeServer = Callable[..., Server]
MakeFake = Callable[..., FakeApi]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """The process that forks servers."""
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def make_server(
    tmp_path: Path, jupyter_environment: dict[str, str], nursery: Nursery
) -> Iterator[MakeServer]:
    """Make a server, not yet started; ``environment`` adds to its environment."""
    made: list[Server] = []

    def make(**given: Any) -> Server:
        environment = {
            **jupyter_environment,
            "PYTHONPATH": str(ROOT),
            **given.pop("environment", {}),
        }
        given.setdefault("nursery", nursery)
        made.append(Server(tmp_path, environment, **given))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def make_fake(tmp_path: Path) -> Iterator[MakeFake]:
    """Start a fake Claude API; the arguments are its usual answer."""
    made: list[FakeApi] = []

    def make(**default: Any) -> FakeApi:
        made.append(FakeApi(tmp_path, **default))
        return made[-1]

    yield make
    for fake in made:
        fake.close()
