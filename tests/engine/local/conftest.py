"""Fixtures of `tests/fixtures.py` that the tests in `tests/engine/local` use."""

from __future__ import annotations

from tests.fixtures import make_harness as make_harness
