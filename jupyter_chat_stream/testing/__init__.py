"""Helps to test this package, and providers for it.

`FakeAnthropic` serves real HTTP to the real SDK. `ScriptedProvider` needs no network.
``python -m jupyter_chat_stream.testing`` runs the fake server as a separate process.
"""

from .answers import Answer, ToolUse, reply_to
from .fake_anthropic import FakeAnthropic, from_script
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
    "from_script",
    "in_rounds",
    "reply_to",
    "results_of",
    "rounds_of",
]
