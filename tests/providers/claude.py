"""The Claude provider under test, and what is asked of it; the fake server stands for the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.anthropic.api_request import CLAUDE, MessagesRequest
from jupyter_chat_stream.providers.base import Prompt, text_turn

KEY = "sk-ant-test-0123456789abcdefghij"
SECRET = "the launch code of the third rocket is swordfish"
MODEL = "claude-sonnet-5-5"
NOW = 1_800_000_000.0


def make_provider(url: str, tmp_path: Path, **environ: str) -> AnthropicProvider:
    return AnthropicProvider(
        key_file=tmp_path / "anthropic.key",
        environ={"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, **environ},
        now=lambda: NOW,
    )


def make_prompt(text: str = "hello", **changes: Any) -> Prompt:
    turns = (text_turn("user", text),)
    return Prompt(**{"model": MODEL, "turns": turns, **changes})


def make_asked(prompt: Prompt | None = None) -> MessagesRequest:
    return MessagesRequest(endpoint=CLAUDE, prompt=prompt or make_prompt(), key=KEY)


def parse(event: dict[str, Any]) -> Any:
    return TypeAdapter(RawMessageStreamEvent).validate_python(event)
