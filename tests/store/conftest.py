"""The contract's fixtures. A database joins it by one more parameter of ``database_url``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.harness import StoreHarness


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'chat.db'}"


@pytest.fixture
def harness(database_url: str) -> Iterator[StoreHarness]:
    """An open store."""
    harness = StoreHarness(database_url)
    yield harness
    harness.close()
