"""Helps to test this package, and providers for it.

`FakeAnthropic` serves real HTTP to the real SDK. `ScriptedProvider` needs no network.
"""

from .answers import Answer, ToolUse, reply_to
from .fake_anthropic import FakeAnthropic
from .fake_messages import FakeMessages
from .fake_openai import FakeOpenAI
from .fake_server import FakeServer, Request
from .rounds import in_rounds, results_of, rounds_of
from .scripted import STALL, Gate, ScriptedProvider, answering

__all__ = [
    "STALL",
    "Answer",
    "FakeAnthropic",
    "FakeMessages",
    "FakeOpenAI",
    "FakeServer",
    "Gate",
    "Request",
    "ScriptedProvider",
    "ToolUse",
    "answering",
    "in_rounds",
    "reply_to",
    "results_of",
    "rounds_of",
]
