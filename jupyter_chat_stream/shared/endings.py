"""How an answer ended, and what is missing of it. Pure functions of a message.

An answer whose run completed is not always complete. ``incomplete_of`` finds what is missing from
the message's status, ``stop_reason`` and parts alone, so that it works for an older database, too.
The twin of ``labextension/src/fold/endings.ts``: both run the same vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .records import Incomplete, IncompleteReason, MessageRecord, Part, WrittenMessage

DERIVED: Final = ("content", "incomplete", "seq")  # fields that a message's event does not carry
REFUSAL: Final = "refusal"
BLANKS: Final = " \t\r\n"
PARAGRAPH: Final = "\n\n"
TOOL_KINDS: Final = ("tool_call", "tool_result")

_BY_STOP: Final[Mapping[str, tuple[IncompleteReason, str]]] = {
    "max_tokens": (
        "max_tokens",
        "This answer was cut off: it reached its length limit (max_tokens). Continue to get the "
        "rest, or raise max_tokens and retry.",
    ),
    "model_context_window_exceeded": (
        "context_window",
        "This answer was cut off: the model's context window is full. Continue with less of the "
        "conversation's beginning, or ask in a new thread.",
    ),
    "pause_turn": (
        "paused",
        "The model paused too often, and this answer is not whole. Continue to let it go on.",
    ),
}
_NOTHING: Final[Mapping[str, str]] = {
    "max_tokens": "Nothing was answered: the length limit (max_tokens) was reached before the "
    "first word. Raise max_tokens and retry.",
    "model_context_window_exceeded": "Nothing was answered: the model's context window is full. "
    "Ask in a new thread, or choose a model that reads more.",
}
_NOTHING_SAID: Final = "The model ended without an answer. Retry, or ask in other words."
_ONLY_THOUGHT: Final = (
    "Nothing was answered: the length limit (max_tokens) was reached while the model was "
    "thinking. Raise max_tokens or ask for less thinking, and retry."
)
_CALL_CUT: Final[Mapping[str, str]] = {
    "max_tokens": "The input of a tool call was cut off: the answer reached its length limit "
    "(max_tokens). Raise max_tokens and retry.",
}
_CALL_CUT_SOMEHOW: Final = "The input of a tool call was cut off. Retry."

# The words that a copy adds to an answer.
_MARKS: Final[Mapping[str, str]] = {
    "failed": "failed",
    "cancelled": "stopped",
    "interrupted": "interrupted",
    "max_tokens": "cut off at its length limit",
    "context_window": "cut off: the context window is full",
    "paused": "not whole: the model paused",
    "empty": "nothing was answered",
    "tool_input_cut": "cut off in a tool call",
}
_MARK_OF_REFUSAL: Final = "declined by the model"


def content_of(parts: Iterable[Part]) -> str:
    """Join the text parts. Texts with a tool between them become separate paragraphs."""
    pieces: list[str] = []
    is_apart = False
    for part in parts:
        if part["kind"] in TOOL_KINDS:
            is_apart = bool(pieces)
        elif part["kind"] == "text" and part["text"]:
            if is_apart and not (pieces[-1].endswith("\n") or part["text"].startswith("\n")):
                pieces.append(PARAGRAPH)
            pieces.append(part["text"])
            is_apart = False
    return "".join(pieces)


def incomplete_of(message: WrittenMessage) -> Incomplete | None:
    """Return what is missing of an answer that completed; None if it is complete."""
    if message["role"] != "assistant" or message["status"] != "completed":
        return None
    parts, stop = message["parts"], message["stop_reason"] or ""
    if parts and is_cut_call(parts[-1]):
        return _incomplete("tool_input_cut", _CALL_CUT.get(stop, _CALL_CUT_SOMEHOW))
    if stop != "pause_turn" and not any(map(_says_something, parts)):
        return _incomplete("empty", _why_empty(stop, parts))
    return _incomplete(*_BY_STOP[stop]) if stop in _BY_STOP else None


def words_of_end(message: MessageRecord) -> str:
    """Return the words that mark an incomplete answer in a copy; empty for a complete one."""
    if is_refused(message):
        return _MARK_OF_REFUSAL
    incomplete = message.get("incomplete")
    return _MARKS.get(incomplete["reason"] if incomplete else message["status"], "")


def is_cut_call(part: Part) -> bool:
    """Whether a part is a tool call whose input was cut off."""
    return part["kind"] == "tool_call" and "text" in part


def is_refused(message: WrittenMessage) -> bool:
    """Whether a message is a reply that the model or its provider declined to give."""
    error = message.get("error")
    return message["role"] == "assistant" and error is not None and error["code"] == REFUSAL


def _says_something(part: Part) -> bool:
    if part["kind"] == "text":
        return bool(part["text"].strip(BLANKS))
    return part["kind"] not in ("reasoning", "note") and not is_cut_call(part)


def _why_empty(stop: str, parts: Iterable[Part]) -> str:
    if stop == "max_tokens" and any(part["kind"] == "reasoning" for part in parts):
        return _ONLY_THOUGHT
    return _NOTHING.get(stop, _NOTHING_SAID)


def _incomplete(reason: IncompleteReason, message: str) -> Incomplete:
    return {"reason": reason, "message": message}
