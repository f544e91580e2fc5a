"""Fixtures that the tests in `tests/runs` use."""

from __future__ import annotations

from tests.fixtures import make_harness as make_harness
from tests.fixtures import no_backoff as no_backoff
from tests.runs.file_calls import root as root
