"""The cost of an answer, by the table of prices that is installed."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest

from jupyter_chat_stream.providers import prices
from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.base import EndChunk
from jupyter_chat_stream.providers.endpoints import OPENAI
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.testing import ScriptedProvider
from tests.providers.hosted import CLAUDE, Hosted

COUNTS = {
    "input_tokens": 1_000_000,
    "output_tokens": 100_000,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
}


async def cost(model: str, api_url: str = CLAUDE, **counts: int) -> Any:
    end = EndChunk(stop_reason="end_turn", model=model, usage={**COUNTS, **counts})
    usage = await prices.usage_with_cost(Hosted(api_url=api_url), end)
    assert {name: usage[name] for name in COUNTS} == {**COUNTS, **counts}
    return usage.get("cost_usd")


async def test_an_answer_costs_its_tokens_at_the_price_of_its_model() -> None:
    # The published prices of Claude Haiku 4.5 per million: input 1, output 5 US dollars.
    assert await cost("claude-haiku-4-5") == 1.0 + 0.5
    assert await cost("claude-haiku-4-5-20251001") == 1.0 + 0.5


async def test_tokens_of_the_cache_have_their_own_prices_and_count_once() -> None:
    # Reading the cache costs a tenth of the input, writing it a quarter more.
    read = await cost("claude-haiku-4-5", cache_read_tokens=1_000_000)
    assert read == pytest.approx(1.6)
    assert await cost("claude-haiku-4-5", cache_write_tokens=1_000_000) == pytest.approx(2.75)


async def test_the_cost_of_few_tokens_is_exact_to_a_billionth() -> None:
    assert await cost("claude-haiku-4-5", input_tokens=1, output_tokens=0) == 0.000001


@pytest.mark.parametrize(
    ("model", "api_url"),
    [
        ("claude-of-next-year", CLAUDE),
        ("gpt-5.4", CLAUDE),
        ("qwen3:8b", "http://127.0.0.1:11434/v1"),
        ("gpt-5.4", "http://localhost:4000/v1"),
        ("claude-haiku-4-5", "https://gateway.example/anthropic"),
        ("", CLAUDE),
    ],
)
async def test_an_unknown_model_or_address_has_no_cost(model: str, api_url: str) -> None:
    assert await cost(model, api_url) is None


async def test_a_usage_without_tokens_has_no_cost() -> None:
    nothing = dict.fromkeys(COUNTS, 0)
    assert await cost("claude-haiku-4-5", **nothing) is None


async def test_a_provider_that_names_no_address_has_no_cost() -> None:
    end = EndChunk(stop_reason="end_turn", model="claude-haiku-4-5", usage=COUNTS)
    assert await prices.usage_with_cost(ScriptedProvider(), end) == COUNTS


async def test_a_cost_that_the_provider_tells_itself_is_kept() -> None:
    usage = {**COUNTS, "cost_usd": 0.25}
    end = EndChunk(stop_reason="end_turn", model="claude-haiku-4-5", usage=usage)
    assert (await prices.usage_with_cost(Hosted(), end))["cost_usd"] == 0.25


async def test_a_table_that_breaks_costs_no_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Any:
        raise RuntimeError("the table is broken")

    broken.cache_info = prices.read_table.cache_info  # type: ignore[attr-defined]
    monkeypatch.setattr(prices, "read_table", broken)
    with caplog.at_level(logging.ERROR):
        assert await cost("claude-haiku-4-5") is None
    assert "price.broke" in caplog.text
    assert "the table is broken" not in caplog.text


def test_the_built_in_providers_name_the_address_that_they_call() -> None:
    assert AnthropicProvider(environ={}).api_url == CLAUDE
    elsewhere = AnthropicProvider(environ={"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"})
    assert elsewhere.api_url == "http://127.0.0.1:1"
    assert OpenAIProvider(OPENAI, environ={}).api_url == OPENAI.base_url


def test_the_table_is_read_late_and_without_the_network() -> None:
    """Importing the server's side does not read it, and reading it opens no socket."""
    code = """
import asyncio, socket, sys
import jupyter_chat_stream.service
from jupyter_chat_stream.providers import prices
assert "genai_prices" not in sys.modules
real = socket.socket.connect
def refuse(self, address):
    raise SystemExit(f"a connection to {address}")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
asyncio.run(prices.warm())
assert "genai_prices" in sys.modules
import threading
assert [t.name for t in threading.enumerate() if "price" in t.name.lower()] == []
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
