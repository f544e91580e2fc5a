"""Mistaken calls, and what Python says of them: nothing was sent, and the sentence helps."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from jupyter_chat_stream import Chat, RunFailed
from jupyter_chat_stream.kernel.link import current
from jupyter_chat_stream.shared.errors import (
    ChatStreamError,
    IdempotencyMismatch,
    WrongCall,
)
from tests.kernel.test_sentences import OF_THE_WIRE

pytestmark = pytest.mark.usefixtures("here")

Call = Callable[[Any], Any]  # a checker would refuse most of these calls
MISTAKES: list[tuple[str, Call, str]] = [
    ("option", lambda chat: chat.send("x", modle="demo/echo"), "'modle'. Did you mean 'model'"),
    ("ask", lambda chat: chat.ask("x", timout=5), "'timout'. Did you mean 'timeout'"),
    ("kwarg", lambda chat: Chat("x", sytem="Be brief."), "'sytem'. Did you mean 'system'"),
    ("trait", lambda chat: chat.observe(print, "statsu"), "'statsu'. Did you mean 'status'"),
    (
        "schedule",
        lambda chat: chat.schedule("x", cron="0 9 * * *", timzone="UTC"),
        "'timzone'. Did you mean 'timezone'",
    ),
    ("preference", lambda chat: chat.preferences(on_crsh="continue"), "Did you mean 'on_crash'"),
    ("preference value", lambda chat: chat.preferences(on_crash="stop"), "'continue', 'restart'"),
    ("text", lambda chat: chat.send(5), "text must be text"),
    ("empty", lambda chat: chat.send("  "), "'text' is empty"),
    ("params", lambda chat: chat.send("x", params=["a"]), "params must be a dict"),
    ("not plain", lambda chat: chat.send("x", params={"a": object()}), "cannot be sent"),
    ("key of a dict", lambda chat: chat.send("x", params={"a": {(1, 2): 3}}), "keys are no texts"),
    ("not finite", lambda chat: chat.send("x", params={"a": float("nan")}), "cannot be sent"),
    ("parent", lambda chat: chat.send("x", parent=3), "parent must be one of"),
    ("no parent", lambda chat: chat.send("x", parent="01"), "`chat.messages`"),
    ("key", lambda chat: chat.send("x", key="ä"), "'key' must be"),
    ("model", lambda chat: chat.send("x", model="echo"), "provider/model, such as demo/tour"),
    ("time", lambda chat: chat.send("x", deliver_at="tomorrow"), "give a datetime"),
    ("far", lambda chat: chat.send("x", deliver_at=datetime(2090, 1, 1, tzinfo=UTC)), "f"),
    ("cron", lambda chat: chat.schedule("x", cron="0 25 * * *"), "hour is wrong"),
    ("few", lambda chat: chat.schedule("x", cron="0 9"), "five fields"),
    (
        "zone",
        lambda chat: chat.schedule("x", cron="0 9 * * *", timezone="Europe/Zurch"),
        "Did you mean 'Europe/Zurich'",
    ),
    ("thread", lambda chat: Chat(thread="01m7w5qcxfjsnt91q91sfacd1e"), "a name"),
    ("two", lambda chat: Chat("x", thread="y"), "not both"),
    ("events", lambda chat: next(chat.events(after=10**6)), "after an earlier one"),
    ("answer", lambda chat: chat.send("x").wait().answer("y"), "has asked nothing"),
]


@pytest.fixture
def chat() -> Chat:
    return Chat(uuid.uuid4().hex, model="demo/echo")


@pytest.mark.parametrize(("what", "call", "words"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistaken_call_is_refused_in_pythons_words(
    chat: Chat, what: str, call: Call, words: str
) -> None:
    with pytest.raises(ChatStreamError, match=words) as caught:
        call(chat)
    assert not OF_THE_WIRE.search(caught.value.message), caught.value.message
    assert what == "answer" or chat.messages == []


@pytest.mark.parametrize("call", ["asend", "aask", "aschedule"])
async def test_the_awaited_calls_name_a_misspelt_option_too(chat: Chat, call: str) -> None:
    options = {"cron": "0 9 * * *"} if call == "aschedule" else {}
    with pytest.raises(WrongCall, match="Did you mean 'model'"):
        await getattr(chat, call)("x", **options, modle="demo/echo")


def test_a_key_is_said_to_be_taken(chat: Chat) -> None:
    chat.ask("Why?", key="why")
    with pytest.raises(IdempotencyMismatch, match="'why' belongs to another question: choose"):
        chat.ask("How?", key="why")


@pytest.mark.parametrize(
    ("model", "params", "words"),
    [
        ("demo/ecco", {}, "Did you mean 'demo/echo'"),
        ("antropic/claude", {}, "Did you mean 'anthropic'"),
        ("demo/echo", {"chunk_char": 3}, "Did you mean 'chunk_chars'"),
    ],
)
def test_a_model_or_parameter_that_is_not_there_names_the_nearest(
    chat: Chat, model: str, params: dict[str, Any], words: str
) -> None:
    with pytest.raises((RunFailed, ChatStreamError), match=words) as caught:
        chat.ask("x", model=model, params=params)
    assert not OF_THE_WIRE.search(caught.value.message)


def test_a_chat_that_was_refused_follows_nothing() -> None:
    before = dict(current().followers)
    with pytest.raises(Exception, match="height"):
        Chat(uuid.uuid4().hex, height="tall")  # type: ignore[arg-type]
    current().run(_turn())
    assert current().followers.keys() == before.keys()


async def _turn() -> None:
    """Let what was called soon happen."""
