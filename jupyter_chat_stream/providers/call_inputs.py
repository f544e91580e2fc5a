"""The input of a tool call, from the JSON text that a model has written."""

from __future__ import annotations

import json
from typing import Any

from ..shared.json_objects import JsonObject

MAX_SHOWN_CHARS = 80  # of a broken input, before and after the place where it breaks


def input_of(text: str) -> JsonObject | str:
    """Return the input; if the text is no JSON object, return a sentence for the model instead.

    A blank text is an empty object: so the APIs write a call without arguments.
    """
    try:
        # Models write line ends and tabs into strings as they are.
        value = json.loads(text, strict=False, parse_constant=_refuse) if text.strip() else {}
    except RecursionError:
        return _sentence("it is nested too deeply")
    except json.JSONDecodeError as error:
        begin = max(0, error.pos - MAX_SHOWN_CHARS)
        excerpt = json.dumps(text[begin : error.pos + MAX_SHOWN_CHARS], ensure_ascii=False)
        return _sentence(f"{error.msg} at character {error.pos + 1} of {len(text)}, near {excerpt}")
    except ValueError as error:  # NaN, or a number of thousands of digits
        return _sentence(str(error))
    return value if isinstance(value, dict) else _sentence(f"it is {_kind_of(value)}")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON value")


def _sentence(reason: str) -> str:
    return (
        f"The input of this call is not a JSON object ({reason}), so the tool was not called. "
        "Call it again with one whole JSON object as its input."
    )


def _kind_of(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
