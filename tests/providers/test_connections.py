"""The Claude provider's connections: shared, kept, closed where somebody leaves; its key, too."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jupyter_chat_stream.providers.anthropic import AnthropicProvider, sdk
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import FakeAnthropic, reply_to
from tests.providers.claude import make_prompt
from tests.providers.streams import collect, fail, text_of


async def test_many_answers_share_one_client(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    prompts = [make_prompt(f"number {i}") for i in range(8)]
    answers = await asyncio.gather(*(collect(provider, prompt) for prompt in prompts))
    assert [text_of(a) for a in answers] == [reply_to(f"number {i}") for i in range(8)]
    assert len(provider.clients.accesses) == 1
    assert sorted(r.user_text for r in fake.requests) == [f"number {i}" for i in range(8)]


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
        assert [held_key for held_key, _ in provider.clients.accesses] == [key]
    await provider.close()
    assert not provider.clients.accesses


async def test_the_sdk_is_imported_in_a_thread(
    provider: AnthropicProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    original = sdk.import_all

    def watched() -> None:
        threads.append(threading.current_thread())
        original()

    monkeypatch.setattr(sdk, "import_all", watched)
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
