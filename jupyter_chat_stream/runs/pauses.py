"""Makes the event of a provider's question or sleep.

The transaction that writes the event also releases the run (L10). The answer, or the end of the
sleep, makes the run due again. Questions are bounded, because a model writes them and every reader
gets them.
"""

from __future__ import annotations

from ..providers.base import AskChunk, SleepChunk
from ..shared.errors import BadRequest
from ..shared.events import InputRequested, StatusChanged, clean_text, iso
from ..store.front import MAX_AHEAD_MS

MAX_PROMPT_BYTES = 4 * 1024
MAX_CHOICES = 20
MAX_CHOICE_CHARS = 200
MAX_REASON_CHARS = 200

Pause = InputRequested | StatusChanged


def pause_of(chunk: AskChunk | SleepChunk, *, now_ms: int, request_id: str) -> Pause | None:
    """Return the event of the chunk; None for a sleep that has ended already.

    Raises:
        BadRequest: the chunk exceeds a limit.
    """
    if isinstance(chunk, AskChunk):
        return _question(chunk, now_ms, request_id)
    if chunk.until_ms <= now_ms:
        return None
    _check(chunk.until_ms <= now_ms + MAX_AHEAD_MS, "sleeps for more than five years")
    reason = clean_text(chunk.reason)[:MAX_REASON_CHARS]
    return StatusChanged(phase="waiting", detail=reason, until=iso(chunk.until_ms))


def _question(chunk: AskChunk, now_ms: int, request_id: str) -> InputRequested:
    prompt = clean_text(chunk.prompt)
    _check(bool(prompt.strip()), "asks nothing")
    _check(len(prompt.encode()) <= MAX_PROMPT_BYTES, f"asks more than {MAX_PROMPT_BYTES} bytes")
    choices = chunk.choices
    if choices is not None:
        choices = tuple(clean_text(choice) for choice in choices)
        _check(0 < len(choices) <= MAX_CHOICES, f"does not give 1 to {MAX_CHOICES} choices")
        _check(len(set(choices)) == len(choices), "gives a choice twice")
        are_short = all(0 < len(choice) <= MAX_CHOICE_CHARS for choice in choices)
        _check(are_short, f"gives a choice without 1 to {MAX_CHOICE_CHARS} characters")
    expires_at = None
    if chunk.expires_in_s is not None:
        expires_ms = chunk.expires_in_s * 1000
        _check(
            0 < expires_ms <= MAX_AHEAD_MS,
            "asks a question that expires at once, or in over five years",
        )
        expires_at = iso(now_ms + max(1, int(expires_ms)))
    return InputRequested(
        request_id=request_id, prompt=prompt, choices=choices, expires_at=expires_at
    )


def _check(is_fine: bool, fault: str) -> None:
    if not is_fine:
        raise BadRequest(f"The provider {fault}; this is a fault of the provider.")
