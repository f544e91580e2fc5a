"""``jupyter chat-stream worker``: what it takes, and what it refuses with a sentence."""

from __future__ import annotations

import pytest
from traitlets.config.loader import Config

from jupyter_chat_stream.cli import worker as module
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import DatabaseUnreadable, InvalidInput


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[ChatStream]:
    """What a worker was started with, without starting one."""
    found: list[ChatStream] = []

    async def work(settings: ChatStream) -> None:
        found.append(settings)

    monkeypatch.setattr(module, "work", work)
    return found


def settings(**given: object) -> ChatStream:
    """Settings as they come from the command line."""
    return ChatStream(config=Config({"ChatStream": given}))


@pytest.mark.parametrize(("given", "most"), [({}, 100), ({"max_active_runs": 7}, 7)])
def test_a_worker_takes_a_hundred_runs_unless_it_is_told_otherwise(
    started: list[ChatStream], given: dict[str, object], most: int
) -> None:
    assert module.Worker().run(settings(**given), []) == 0
    assert [each.max_active_runs for each in started] == [most]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_that_is_one_servers_own_is_refused(started: list[ChatStream], url: str) -> None:
    with pytest.raises(DatabaseUnreadable, match="a worker would have nothing to do"):
        module.Worker().run(settings(database_url=url), [])
    assert started == []


def test_words_that_mean_nothing_are_refused(started: list[ChatStream]) -> None:
    with pytest.raises(InvalidInput):
        module.Worker().run(settings(), ["now"])
    assert started == []
