"""An endpoint of the dialect ``messages`` under test; the fake server stands for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_chat_stream.providers.anthropic import MessagesProvider
from jupyter_chat_stream.providers.base import Prompt, text_turn
from jupyter_chat_stream.providers.endpoints import Endpoint
from jupyter_chat_stream.testing.fake_messages import DEFAULT_MODEL

KEY = "sk-lab-test-0123456789abcdefghij"
HEADER_SECRET = "tenant-secret-42"
ENVIRON = {"LAB_KEY": KEY}
NOW = 1_800_000_000.0


def make_provider(
    base_url: str, environ: Mapping[str, str] | None = None, **changes: Any
) -> MessagesProvider:
    fields: dict[str, Any] = {
        "name": "lab",
        "given_dialect": "messages",
        "key_env": "LAB_KEY",
        "headers": {"X-Tenant": HEADER_SECRET},
        **changes,
    }
    endpoint = Endpoint(base_url=base_url, **fields)
    return MessagesProvider(
        endpoint, environ=ENVIRON if environ is None else environ, now=lambda: NOW
    )


def make_prompt(text: str = "hello", **changes: Any) -> Prompt:
    turns = (text_turn("user", text),)
    return Prompt(**{"model": DEFAULT_MODEL, "turns": turns, "max_tokens": 1000, **changes})
