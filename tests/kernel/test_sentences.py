"""What a Python user reads of an error: no word of the wire, and the nearest right word."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from typing import Any

import pytest

import jupyter_chat_stream
from jupyter_chat_stream import RunFailed
from jupyter_chat_stream.kernel import sentences
from jupyter_chat_stream.kernel.options import check_kinds, refuse_unknown
from jupyter_chat_stream.kernel.wire import error_classes, error_from_wire, read_answer
from jupyter_chat_stream.shared.errors import (
    ChatStreamError,
    Forbidden,
    InvalidInput,
    LimitReached,
    NotFound,
    ServerUnavailable,
    WrongCall,
)
from jupyter_chat_stream.shared.spelling import did_you_mean

# Words of HTTP and of the wire's JSON, for which Python has others.
OF_THE_WIRE = re.compile(
    r"Idempotency|HTTP|\b(GET|POST|PATCH|DELETE)\b|[Hh]eader|\bbody\b|\bJSON\b|raw=|\bcursor\b"
    r"|\bseq\b|parent_id|'content'|\b[45]\d\d\b"
)


def every_class() -> dict[str, type[ChatStreamError]]:
    """Every error that a server can send; `RunFailed` is raised by the kernel's side alone."""
    for module in pkgutil.walk_packages(jupyter_chat_stream.__path__, "jupyter_chat_stream."):
        if ".testing" not in module.name and "__main__" not in module.name:
            importlib.import_module(module.name)
    ours = {code: cls for code, cls in error_classes().items() if "jupyter_chat" in cls.__module__}
    del ours[RunFailed.code]
    return ours


def as_the_server_says(cls: type[ChatStreamError]) -> ChatStreamError:
    """An error with the sentence that its own class builds."""
    facts: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if parameter.default is inspect.Parameter.empty:
            facts[name] = 7 if "int" in str(parameter.annotation) else "the-one"
    return cls(**facts)


@pytest.mark.parametrize("code", sorted(every_class()))
def test_each_code_has_a_sentence_in_pythons_words(code: str) -> None:
    said = as_the_server_says(every_class()[code]).to_wire()
    error = error_from_wire(said)
    assert error.code == code
    assert not OF_THE_WIRE.search(error.message), error.message
    assert "{" not in error.message


def test_no_sentence_is_kept_for_a_code_that_is_gone() -> None:
    codes = {*every_class(), "internal", "method_not_allowed"}
    assert set(sentences.SENTENCES) <= codes


def test_a_key_of_another_question_is_named_and_what_to_do() -> None:
    error = error_from_wire({"code": "idempotency_mismatch", "message": "…", "key": "why"})
    assert error.message == (
        "The key 'why' belongs to another question: choose a new key, or leave it out."
    )


def test_a_server_that_names_other_facts_is_quoted() -> None:
    error = error_from_wire({"code": "thread_not_found", "message": "No such thread."})
    assert error.message == "No such thread."


def test_a_field_of_the_wire_is_called_as_in_python() -> None:
    said = {"code": "invalid_input", "message": "'content' is empty.", "field": "content"}
    assert error_from_wire(said).message == "'text' is empty."


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (302, b"", Forbidden, "asks for a login"),
        (401, b"", Forbidden, "Restart the kernel"),
        (403, b"<html>login</html>", Forbidden, "Restart the kernel"),
        (404, b"<html>", NotFound, "Install jupyter-chat-stream"),
        (429, b"slow down", LimitReached, "Try again in a minute"),
        (502, b"<h1>Bad gateway</h1>", ServerUnavailable, "a proxy"),
        (503, b"", ServerUnavailable, "Is JupyterLab running"),
        (200, b"<html>sign in</html>", ServerUnavailable, "a proxy"),
    ],
)
def test_what_is_not_our_server_is_told_in_words(
    status: int, body: bytes, kind: type[ChatStreamError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        read_answer(status, body, "http://127.0.0.1:1/")
    assert not OF_THE_WIRE.search(caught.value.message)
    assert "http://127.0.0.1:1/" in caught.value.message


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("modle", "model"), ("Params", "params"), ("deliver-at", "deliver_at"), ("contxt", "context")],
)
def test_a_misspelt_option_names_itself_and_the_nearest(wrong: str, right: str) -> None:
    known = ("model", "params", "context", "deliver_at")
    with pytest.raises(WrongCall, match=f"no option '{wrong}'. Did you mean '{right}'") as caught:
        refuse_unknown("chat.send()", {wrong: 1}, known)
    assert isinstance(caught.value, (TypeError, InvalidInput))


def test_what_is_near_nothing_gets_no_guess() -> None:
    assert did_you_mean("zzz", ("model", "params")) == ""
    assert did_you_mean("x" * 100_000, ("model",)) == ""


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("text", 5, "text must be text"),
        ("text", None, "not None"),
        ("model", ["a"], "model must be text"),
        ("params", "x", "params must be a dict"),
        ("tools", "x", "tools must be a list"),
        ("context", "x", "context must be a dict or a list"),
        ("key", 3, "key must be text"),
    ],
)
def test_a_value_of_a_wrong_type_names_the_option_and_what_it_takes(
    option: str, value: Any, words: str
) -> None:
    with pytest.raises(WrongCall, match=words):
        check_kinds("chat.send()", {option: value})
