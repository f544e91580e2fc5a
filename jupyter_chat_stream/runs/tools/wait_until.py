"""The tool ``wait_until``: the model waits until a time; no process is needed meanwhile (L10).

The end of the wait depends only on the input and on the time when the call was allowed. So a
repeated call after a crash waits until the same time (L14).
"""

from __future__ import annotations

from typing import Any

from ...providers.base import SleepChunk
from ...shared.errors import InvalidInput
from ...shared.events import from_iso, iso
from ...shared.tool_records import ToolInput, ToolRecord
from ...store.front import MAX_AHEAD_MS
from .base import CallContext, ToolDone, ToolOutcome

MAX_REASON_CHARS = 200
_DAY_S = 86_400

WAIT_UNTIL: ToolRecord = {
    "name": "wait_until",
    "description": (
        "Wait until a time, or for some seconds, then continue. Nothing runs meanwhile, and the "
        "wait survives restarts, so it may last days. Use it before you look at something again "
        "that takes a while. Give either 'until' or 'seconds'. The result tells the time after "
        "the wait."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "until": {
                "type": "string",
                "description": "A time in ISO 8601 with its time zone: 2027-01-31T09:00:00+01:00.",
            },
            "seconds": {"type": "number", "minimum": 0, "description": "How long, in seconds."},
            "reason": {
                "type": "string",
                "maxLength": MAX_REASON_CHARS,
                "description": "What you wait for, in a few words: the person reads it.",
            },
        },
        "additionalProperties": False,
    },
    "where": "server",
    "effect": "read",
    "idempotent": True,
    "source": "builtin",
}


class WaitUntil:
    """Sleeps until the time in the input."""

    definition = WAIT_UNTIL

    async def call(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        """Sleep, or return if the time has come."""
        until_ms = _until_ms(input, context.started_ms)
        if isinstance(until_ms, str):
            return ToolDone(success=False, output=until_ms)
        if until_ms <= context.now_ms:
            return ToolDone(output={"now": iso(context.now_ms)})
        if until_ms > context.now_ms + MAX_AHEAD_MS:
            days = MAX_AHEAD_MS // (_DAY_S * 1000)
            return ToolDone(success=False, output=f"No wait may last more than {days} days.")
        reason = input.get("reason")
        words = reason if isinstance(reason, str) and reason.strip() else "the model waits"
        return SleepChunk(until_ms=until_ms, reason=words)


def _until_ms(input: ToolInput, started_ms: int) -> int | str:
    """Return the end of the wait, or a sentence for the model about what is wrong."""
    until: Any = input.get("until")
    seconds: Any = input.get("seconds")
    if (until is None) == (seconds is None):
        return "Give either 'until' or 'seconds'."
    if seconds is not None:
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if not is_number or not 0 <= seconds < 1e12:
            return "'seconds' must be a number, at least 0."
        return started_ms + int(seconds * 1000)
    try:
        return from_iso(until)
    except (InvalidInput, OverflowError):
        now = iso(started_ms)
        return f"'until' must be a time in ISO 8601 with its time zone. This call began at {now}."
