"""What the fake servers have in common: how they are made, and what they refuse first."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from jupyter_chat_stream.testing import Answer, FakeAnthropic, FakeMessages, FakeOpenAI

SERVERS = (FakeAnthropic, FakeMessages, FakeOpenAI)
MODELS = {FakeAnthropic: "claude-x", FakeMessages: "tiny", FakeOpenAI: "tiny"}


def ask(server: Any, body: bytes) -> tuple[int, str]:
    """Ask for an answer; return the status and the answer's body."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", server.path, body, {"x-api-key": "k"})
        response = connection.getresponse()
        return response.status, response.read().decode()


@pytest.mark.parametrize("kind", SERVERS)
def test_each_fake_server_takes_a_default_answer(kind: Any) -> None:
    body = {"model": MODELS[kind], "max_tokens": 9, "stream": True}
    body["messages"] = [{"role": "user", "content": "hi"}]
    with kind(default=Answer(text="as ever", chunk_chars=99)) as server:
        for _ in range(2):
            status, events = ask(server, json.dumps(body).encode())
            assert (status, "as ever" in events) == (200, True)


@pytest.mark.parametrize("kind", SERVERS)
def test_each_fake_server_takes_a_port(kind: Any) -> None:
    with kind() as first:
        port = urlsplit(first.url).port
    with kind(port=port) as second:
        assert urlsplit(second.url).port == port


@pytest.mark.parametrize("kind", [FakeAnthropic, FakeMessages])
@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"{}", b'{"model": "?", "max_tokens": 9}'])
def test_the_form_of_a_body_is_checked_before_its_model(kind: Any, body: bytes) -> None:
    with kind() as server:
        status, error = ask(server, body)
    assert status == 400
    assert "messages and max_tokens are required" in error
