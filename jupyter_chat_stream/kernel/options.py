"""The options of a call, checked where it is made, in the words of Python.

What the server would refuse with the words of its wire is refused here by the name that stands in
the call, before anything is sent.
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
# What each option of a message or a schedule may be; None is always "left out".
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


def refuse_unknown(call: str, given: Collection[str], known: Collection[str]) -> None:
    """Refuse the options that a call does not have.

    Raises:
        WrongCall: names the first of them, and the nearest right one.
    """
    for option in given:
        if option not in known:
            raise WrongCall(
                f"{call} has no option {option!r}.{did_you_mean(option, known)} "
                f"It takes: {', '.join(known)}.",
                option=option,
            )


def check_kinds(call: str, given: Mapping[str, object]) -> None:
    """Refuse values that an option cannot have.

    Raises:
        WrongCall: names the first such option, what it takes, and what it was given.
    """
    for option, value in given.items():
        kinds = KINDS.get(option)
        if kinds is None or (value is None and option not in REQUIRED):
            continue
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        is_text_for_a_list = isinstance(value, (str, bytes)) and str not in kinds
        if isinstance(value, kinds) and not is_text_for_a_list:
            continue
        wanted = " or ".join(_WORDS[kind] for kind in kinds)
        raise WrongCall(f"{call}: {option} must be {wanted}, not {_of(value)}.", option=option)


def _of(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
