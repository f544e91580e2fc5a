"""Fixtures of the tests in `tests/engine/local`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.local.processes import OtherProcess
from tests.fixtures import make_harness as make_harness


@pytest.fixture
def other_process(tmp_path: Path) -> Iterator[OtherProcess]:
    other = OtherProcess(tmp_path, "01other")
    yield other
    other.kill()
