"""A secret of the environment that a call prints, returns or raises: no request of it holds it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_chat_stream.kernel.tools import claims
from tests.kernel.tools.written_link import WrittenLink, offered, reached

NAME = "LAB_API_KEY"
SECRETS = ["sk-lab-0123456789-abcdefghi", 'it\'s\\lab-0123456789-✓-"abc"']
FRAGMENTS = ("sk-lab-0", "it's\\", "0123456", "it\\'s")


say = print  # as the code of a call does


def key() -> str:
    return os.environ[NAME]


def in_two_prints() -> None:
    say("key:", key()[:12], end="", flush=True)
    say(key()[12:])


def over_two_requests() -> None:
    say("x" * (claims.OUTPUT_CHARS - 5) + key())


def at_the_end_of_the_room() -> None:
    say("x" * (claims.MAX_OUTPUT_CHARS - 12) + key())


def character_by_character() -> None:
    for character in f"key: {key()}\n" * 20:
        sys.stdout.write(character)


def by_the_logger() -> None:
    logger, handler = logging.getLogger("lab"), logging.StreamHandler(sys.stdout)
    logger.addHandler(handler)
    logger.warning("the environment: %s", dict(os.environ))
    logger.removeHandler(handler)


def long_repr() -> Any:
    class Long:
        def __repr__(self) -> str:
            return "x" * 19_990 + key()

    return Long()


def raised() -> None:
    raise ValueError("x" * 3_980 + key())


WAYS: dict[str, Callable[[], Any]] = {
    "printed in two pieces": in_two_prints,
    "printed over two requests": over_two_requests,
    "cut where the room ends": at_the_end_of_the_room,
    "character by character": character_by_character,
    "printed as Python": lambda: say(dict(os.environ), repr(key()), ascii(key())),
    "printed as JSON": lambda: say(json.dumps({"env": [key()]}), json.dumps(json.dumps(1))),
    "to the error stream": lambda: say(key(), file=sys.stderr),
    "by a logger": by_the_logger,
    "returned": lambda: {"env": dict(os.environ), key(): [key(), f"'{key()}'"]},
    "returned in a long repr": long_repr,
    "returned as a long text": lambda: "x" * 239_990 + key(),
    "raised": raised,
}


@pytest.mark.parametrize("secret", SECRETS, ids=["plain", "escaped"])  # pytest exports the ids
@pytest.mark.parametrize("way", WAYS)
async def test_no_request_of_a_call_has_a_secret(
    link: WrittenLink,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    way: str,
    secret: str,
) -> None:
    caplog.set_level(logging.DEBUG, "jupyter_chat_stream")
    monkeypatch.setenv(NAME, secret)
    await offered(link, WAYS[way])
    await asyncio.wait_for(asyncio.wrap_future(link.result), 20)
    await reached(lambda: link.count("result"))
    output = "".join(body["text"] for what, body in link.asked if what == "output")
    [result] = [body["output"] for what, body in link.asked if what == "result"]
    sent = output + json.dumps(result, ensure_ascii=False) + json.dumps(result)
    ours = [each.getMessage() for each in caplog.records if each.name != "lab"]
    for fragment in FRAGMENTS:
        assert fragment not in sent
        assert fragment not in "".join(ours)
    assert f"[value of {NAME}]" in sent or "left out" in sent
