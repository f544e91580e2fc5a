"""A large file in a prompt never holds the event loop: it is encoded while its request is sent."""

from __future__ import annotations

import asyncio
import base64
import json
from binascii import b2a_base64
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from jupyter_chat_stream.providers import carried_files, file_bodies
from jupyter_chat_stream.providers.base import (
    DocumentBlock,
    ImageBlock,
    Prompt,
    Provider,
    TextBlock,
    Turn,
)
from jupyter_chat_stream.providers.file_bodies import STEP_BYTES, FileBody
from jupyter_chat_stream.testing import FakeMessages, FakeOpenAI
from jupyter_chat_stream.testing.fake_server import FakeServer
from tests.providers import chat, files, messages
from tests.providers.streams import collect

PNG = files.png(padding=3_000_000)  # no multiple of three: its base64 text ends with padding
PDF = files.pdf()
SMALL_BYTES = 16 * 1024


@pytest.fixture(params=["messages", "chat", "responses"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(dialect: str) -> Iterator[FakeServer]:
    with FakeMessages() if dialect == "messages" else FakeOpenAI() as made:
        yield made


@pytest.fixture
async def provider(dialect: str, server: FakeServer) -> AsyncIterator[Provider]:
    made: Provider
    if isinstance(server, FakeOpenAI):
        made = chat.make_provider(server.base_url, given_dialect=dialect)
    else:
        made = messages.make_provider(server.url)
    yield made
    await made.close()


def prompt(dialect: str) -> Prompt:
    blocks = (
        TextBlock(text="What is odd? file-0- is no mark."),
        ImageBlock(name="plot.png", type="image/png", data=PNG),
        DocumentBlock(name="report.pdf", type="application/pdf", data=PDF),
    )
    make = messages.make_prompt if dialect == "messages" else chat.make_prompt
    return make(turns=(Turn(role="user", blocks=blocks),))


async def test_a_large_file_arrives_whole_and_the_loop_turns_while_it_is_encoded(
    dialect: str, server: FakeServer, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0
    encoded: list[tuple[int, int]] = []  # the size of each step, and the turns before it
    bodies: list[int] = []  # as the SDK wrote them

    def encode(data: memoryview, *, newline: bool) -> bytes:
        encoded.append((len(data), turns))
        return b2a_base64(data, newline=newline)

    def noted(request: httpx2.Request) -> httpx2.Request:
        bodies.append(len(request.content))
        return with_files(request)

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    with_files = file_bodies.with_files
    monkeypatch.setattr(file_bodies, "b2a_base64", encode)
    monkeypatch.setattr(file_bodies, "with_files", noted)
    turning = asyncio.ensure_future(turn())
    await collect(provider, prompt(dialect))
    turning.cancel()

    sent = server.requests[-1]
    text = json.dumps(sent.body)
    assert base64.b64encode(PNG).decode() in text
    assert base64.b64encode(PDF).decode() in text
    assert "file-0- is no mark." in text
    assert "content-length" in sent.headers
    assert "transfer-encoding" not in sent.headers
    assert max(bodies) < SMALL_BYTES
    assert sum(size for size, _ in encoded) == len(PNG) + len(PDF)
    assert max(size for size, _ in encoded) <= STEP_BYTES
    moments = [when for _, when in encoded]
    assert len(set(moments)) == len(moments) > len(PNG) // STEP_BYTES


@pytest.mark.parametrize("size", [1, 2, 3, STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1])
async def test_the_length_of_a_body_is_known_before_it_is_encoded(size: int) -> None:
    data = bytes(index % 251 for index in range(size))
    body = FileBody([b'{"data":"', memoryview(data), b'"}'])
    whole = b"".join([piece async for piece in body])
    assert len(whole) == body.size
    assert base64.b64decode(json.loads(whole)["data"]) == data


def test_marks_of_one_request_mean_nothing_in_another() -> None:
    with carried_files.carrying():
        mark = carried_files.base64_of(b"secret")
    with carried_files.carrying():
        carried_files.base64_of(b"other")
        held = carried_files.current_files()
        assert held is not None
        assert held.split(mark.encode()) == [mark.encode()]
    assert carried_files.base64_of(b"plain") == base64.b64encode(b"plain").decode()
