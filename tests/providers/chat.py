"""An endpoint of Chat Completions under test; the fake server stands for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jupyter_chat_stream.providers.base import Prompt, text_turn
from jupyter_chat_stream.providers.endpoints import OPENAI, Endpoint
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.testing.fake_openai import DEFAULT_MODEL

KEY = "sk-proj-test-0123456789abcdefghij"
HEADER_SECRET = "tenant-secret-42"
ENVIRON = {"LAB_KEY": KEY}
NOW = 1_800_000_000.0


def make_endpoint(base_url: str, **changes: Any) -> Endpoint:
    made = Endpoint(
        name="lab", base_url=base_url, key_env="LAB_KEY", headers={"X-Tenant": HEADER_SECRET}
    )
    return replace(made, **changes)


def make_provider(
    base_url: str, environ: Mapping[str, str] | None = None, **changes: Any
) -> OpenAIProvider:
    endpoint = make_endpoint(base_url, **changes)
    return OpenAIProvider(
        endpoint, environ=ENVIRON if environ is None else environ, now=lambda: NOW
    )


def as_openai(base_url: str, **changes: Any) -> OpenAIProvider:
    """Make a provider that takes the fake server for OpenAI itself."""
    endpoint = replace(OPENAI, base_url=base_url, **changes)
    return OpenAIProvider(endpoint, environ={"OPENAI_API_KEY": KEY})


def make_prompt(text: str = "hello", **changes: Any) -> Prompt:
    turns = (text_turn("user", text),)
    return Prompt(**{"model": DEFAULT_MODEL, "turns": turns, "max_tokens": 1000, **changes})
