"""Tools for tests of this package and of providers for it.

`FakeAnthropic` speaks real HTTP to the real SDK. `ScriptedProvider` needs no network.
``python -m jupyter_chat_stream.testing`` runs the fake server as a process of its own.
Nothing here needs pytest; its fixtures are in `jupyter_chat_stream.testing.fixtures`.
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
