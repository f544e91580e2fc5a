"""Fixtures of `tests/fixtures.py` that the tests in `tests/following` use."""

from __future__ import annotations

from tests.fixtures import following as following
from tests.fixtures import make_harness as make_harness
