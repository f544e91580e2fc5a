"""Fixtures of `tests/fixtures.py` that the tests in `tests/testing` use."""

from __future__ import annotations

from tests.fixtures import fake as fake
