"""The contract's fixtures. A database joins it by one more parameter of ``database_url``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prepared import prepare_sqlite
from tests.store.harness import StoreHarness


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind: with our tables if the test opens it as `harness`, else empty."""
    has_tables = "harness" in request.fixturenames
    if request.param == "postgres":
        name = "prepared_postgres_url" if has_tables else "postgres_url"
        url: str = request.getfixturevalue(name)
        return url
    path = tmp_path / "chat.db"
    return prepare_sqlite(path) if has_tables else f"sqlite:///{path}"


@pytest.fixture
def harness(database_url: str) -> Iterator[StoreHarness]:
    """An open store."""
    harness = StoreHarness(database_url)
    yield harness
    harness.close()
