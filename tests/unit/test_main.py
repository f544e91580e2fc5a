"""The command line: what it is told, and what it says when that cannot be meant."""

from __future__ import annotations

import pytest
from traitlets.config import Config

from jupyter_chat_stream.__main__ import ChatStreamCommand
from jupyter_chat_stream.errors import DatabaseUnreadable


def test_a_url_that_cannot_be_read_is_refused_without_its_password() -> None:
    command = ChatStreamCommand(config=Config(ChatStream={"database_url": "no url: secret"}))
    with pytest.raises(DatabaseUnreadable) as refused:
        command.check()
    assert "--ChatStream.database_url" in refused.value.message
    assert "secret" not in refused.value.message
