"""Fixtures for pytest: ``pytest_plugins = ["jupyter_chat_stream.testing.fixtures"]``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fake_anthropic import FakeAnthropic


@pytest.fixture
def fake_anthropic() -> Iterator[FakeAnthropic]:
    """A fake Claude API that ends with the test; it answers every prompt with `reply_to`."""
    with FakeAnthropic() as fake:
        yield fake
