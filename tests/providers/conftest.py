"""Fixtures of `tests/fixtures.py` that the tests in `tests/providers` use."""

from __future__ import annotations

from tests.fixtures import fake as fake
from tests.fixtures import provider as provider
