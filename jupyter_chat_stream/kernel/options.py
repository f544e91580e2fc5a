"""Checks the options of a call before anything is sent.

The server would refuse them with the names of the wire; here the error has the names of the call.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..shared.errors import WrongCall
from ..shared.spelling import did_you_mean

Types = type | tuple[type, ...]

_WORDS: dict[type, str] = {
    str: "text (str)",
    Mapping: "a dict",
    Sequence: "a list",
    bool: "True or False",
    type(None): "None",
}
# The types of each option of a message or a schedule. None always means that it is not set.
KINDS: Mapping[str, Types] = {
    "text": str,
    "content": str,
    "model": str,
    "params": Mapping,
    "tools": Sequence,
    "context": (Mapping, Sequence),
    "key": str,
    "cron": str,
    "timezone": str,
    "name": str,
    "thread": str,
    "system": str,
    "project": str,
    "paused": bool,
}
REQUIRED = ("text", "content", "cron")


def refuse_unknown(call: str, options: Collection[str], names: Collection[str]) -> None:
    """Raise WrongCall for an option that the call does not have."""
    for option in options:
        if option not in names:
            raise WrongCall(
                f"{call} has no option {option!r}.{did_you_mean(option, names)} "
                f"It takes: {', '.join(names)}.",
                option=option,
            )


def check_kinds(call: str, options: Mapping[str, object]) -> None:
    """Raise WrongCall for a value of a wrong type."""
    for option, value in options.items():
        kinds = KINDS.get(option)
        if kinds is None or (value is None and option not in REQUIRED):
            continue
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        is_text_for_a_list = isinstance(value, (str, bytes)) and str not in kinds
        if isinstance(value, kinds) and not is_text_for_a_list:
            continue
        expected = " or ".join(_WORDS[kind] for kind in kinds)
        raise WrongCall(
            f"{call}: {option} must be {expected}, not {_kind_of(value)}.", option=option
        )


def _kind_of(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
