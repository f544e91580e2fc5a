"""The Claude provider's connections: shared, kept, closed where somebody leaves; its key, too."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anthropic
import pytest

import jupyter_chat_stream.providers.anthropic as anthropic_module
from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.base import (
    EndChunk,
    TextChunk,
)
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeAnthropic, reply_to
from tests.providers.claude import (
    collect,
    eventually,
    fail,
    make_prompt,
    text_of,
)


async def test_many_answers_share_one_client(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    prompts = [make_prompt(f"number {i}") for i in range(8)]
    answers = await asyncio.gather(*(collect(provider, prompt) for prompt in prompts))
    assert [text_of(a) for a in answers] == [reply_to(f"number {i}") for i in range(8)]
    assert len(provider._clients.accesses) == 1
    assert sorted(r.user_text for r in fake.requests) == [f"number {i}" for i in range(8)]


async def test_answers_after_each_other_share_one_connection(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    """Setting one up costs a handshake or two: the answer is read to the end of its HTTP body."""
    fake.set_default(Answer(end_delay_s=0.01))
    for text in "abc":
        async for chunk in provider.stream(make_prompt(text)):
            if isinstance(chunk, EndChunk):
                break
    assert fake.connection_count == 1


async def test_an_answer_whose_connection_stays_open_comes_all_the_same(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(text="all of it", end_delay_s=60))
    chunks = await collect(provider, make_prompt())
    assert text_of(chunks) == "all of it"
    assert isinstance(chunks[-1], EndChunk)


async def test_cancelling_closes_the_connection(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(text="abcdefgh", chunk_chars=2, fault="silence", after_chunks=2))
    task = asyncio.ensure_future(collect(provider, make_prompt()))
    await eventually(lambda: bool(fake.requests) and fake.requests[0].chunks_sent == 2, fake)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await eventually(lambda: fake.requests[0].state == "left", fake)


async def test_cancelling_before_the_first_byte_closes_the_connection(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(fault="silence", before_headers=True))
    task = asyncio.ensure_future(collect(provider, make_prompt()))
    await eventually(lambda: bool(fake.requests), fake)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await eventually(lambda: fake.requests[0].state == "left", fake)


async def test_closing_the_iterator_closes_the_connection(
    fake: FakeAnthropic, provider: AnthropicProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Any] = []  # so that no garbage collection can do what `aclose` must
    original = anthropic.AsyncStream.__init__
    monkeypatch.setattr(
        anthropic.AsyncStream,
        "__init__",
        lambda self, **given: (held.append(self), original(self, **given))[1],
    )
    fake.add(Answer(text="x" * 100_000, delay_s=0.001))
    stream = provider.stream(make_prompt())
    assert isinstance(await stream.__anext__(), TextChunk)

    await stream.aclose()

    await eventually(lambda: fake.requests[0].state == "left", fake)
    assert text_of(await collect(provider, make_prompt("again"))) == reply_to("again")


async def test_closing_the_provider_cuts_what_still_streams(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(text="abcdefgh", chunk_chars=2, fault="silence", after_chunks=1))
    stream = provider.stream(make_prompt())
    assert await stream.__anext__() == TextChunk(text="ab")
    await provider.close()
    with pytest.raises(errors.StreamCut):
        await stream.__anext__()
    await eventually(lambda: fake.requests[0].state == "left", fake)


# ----------------------------------------------------------------------------------- keys


async def test_a_new_key_is_used_without_a_restart_and_the_old_client_is_closed(
    fake: FakeAnthropic, tmp_path: Path
) -> None:
    key_file = tmp_path / "anthropic.key"
    provider = AnthropicProvider(key_file=key_file, environ={"ANTHROPIC_BASE_URL": fake.url})
    assert not provider.is_ready()
    _, error = await fail(provider, make_prompt())
    assert type(error) is errors.MissingKey
    assert not fake.requests

    for key in ("sk-first", "sk-the-second"):
        key_file.write_text(key + "\n")
        key_file.chmod(0o600)
        assert provider.is_ready()
        assert text_of(await collect(provider, make_prompt("hi"))) == reply_to("hi")
        assert [held_key for held_key, _ in provider._clients.accesses] == [key]
    await provider.close()
    assert not provider._clients.accesses


async def test_the_sdk_is_imported_in_a_thread(
    provider: AnthropicProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    original = anthropic_module._import_sdk

    def watched() -> None:
        threads.append(threading.current_thread())
        original()

    monkeypatch.setattr(anthropic_module, "_import_sdk", watched)
    await provider.warm()
    await provider.warm()
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    """Server start-up must not pay for it."""
    code = (
        "import sys; from jupyter_chat_stream.providers.registry import Registry; "
        "Registry().models(); "
        "sys.exit(bool({'anthropic', 'httpx2', 'aiohttp', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
