"""Fixtures of `tests/fixtures.py` that the tests in `tests/following` use."""

from __future__ import annotations

from tests.fixtures import following as following
from tests.fixtures import make_harness as make_harness
from tests.store.conftest import database_url as database_url
from tests.store.conftest import harness as harness
