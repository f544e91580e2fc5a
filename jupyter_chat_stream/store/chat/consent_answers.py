"""Checks an answer to a question of consent, and reads it when its call is reviewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ...shared.tool_records import ConsentChoice

MAX_WORDS_BYTES = 4 * 1024  # of a person's text to the model with a refusal
MAX_ACCEPTED = 400  # accepted parts of one call
MAX_PART_CHARS = 200  # of the name of one part


@dataclass(frozen=True, kw_only=True)
class ConsentAnswer:
    """A person's answer: the choice, a text with "no", and the accepted parts with "some"."""

    choice: ConsentChoice
    words: str = ""
    accepted: tuple[str, ...] | None = None


def is_consent_answer(value: Any, choices: Sequence[str]) -> bool:
    """Return whether a value is a valid answer to a question of consent with these choices.

    "some" without parts is not valid.
    """
    if not isinstance(value, Mapping):
        return value in choices and value != "some"
    choice = value.get("choice")
    if choice == "no" and value.keys() == {"choice", "words"}:
        words = value["words"]
        return (
            isinstance(words, str)
            and len(words.encode("utf-8", "surrogatepass")) <= MAX_WORDS_BYTES
        )
    if choice == "some" and choice in choices and value.keys() == {"choice", "accepted"}:
        return _are_parts(value["accepted"])
    return False


def read_answer(value: Any) -> ConsentAnswer:
    """Read a checked answer."""
    if not isinstance(value, Mapping):
        return ConsentAnswer(choice=cast(ConsentChoice, value))
    parts = value.get("accepted")
    return ConsentAnswer(
        choice=value["choice"],
        words=str(value.get("words", "")),
        accepted=None if parts is None else tuple(parts),
    )


def _are_parts(value: Any) -> bool:
    """Return whether a value is a list of one or more different names of parts."""
    if not isinstance(value, list) or not 0 < len(value) <= MAX_ACCEPTED:
        return False
    are_names = all(isinstance(part, str) and 0 < len(part) <= MAX_PART_CHARS for part in value)
    return are_names and len(set(value)) == len(value)
