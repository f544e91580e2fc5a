"""Tool calls that the attempt itself makes: writes their results and their waits.

The attempt's number claims such a call, so a fenced attempt cannot write a result of the call (L5,
L12). A call may also wait for an answer or until a time; then no process holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...shared.events import InputRequested, ToolOutputAdded
from ...shared.records import InputRequestPart
from ...shared.tool_records import ToolInput
from ..log.transaction import RunRef, Transaction
from .holding import find_for_result
from .tool_calls import (
    MAX_OUTPUT_BYTES,
    check_output,
    end_call,
    keep_within,
    read_calls,
    update_call,
)


@dataclass(frozen=True, kw_only=True)
class CallInPlace:
    """A call that this attempt has claimed and has to make now."""

    tool_call_id: str
    name: str
    input: ToolInput
    owner: str
    """The owner of the thread."""
    started_ms: int
    answer: InputRequestPart | None
    """The call's answered question; None without one."""
    job_id: str | None = None
    """The id of the build for which the call waits; None without one."""


def pause_call(
    tx: Transaction, run: RunRef, attempt: int, tool_call_id: str, pause: InputRequested | int
) -> None:
    """Let a call in place wait for the answer to its question, or until a time in ms.

    Raises:
        StaleAttempt: another attempt or an end came first.
    """
    tx.guard((run,))
    bodies = (pause,) if isinstance(pause, InputRequested) else ()
    tx.append_attempt(run, attempt, bodies)
    if isinstance(pause, int):
        update_call(tx, run, tool_call_id, state="open", claim=None, wake_ms=pause)
    else:
        update_call(tx, run, tool_call_id, state="asked", claim=None, wake_ms=None)
    tx.settle(run)


def end_in_place(
    tx: Transaction,
    run: RunRef,
    attempt: int,
    call: CallInPlace,
    *,
    success: bool,
    output: Any,
    attachment_ids: Sequence[str] = (),
) -> None:
    """Write the result of a call that this attempt has made.

    Raises:
        StaleAttempt: another attempt or an end came first; the result is lost (L12).
        ToolOutputTooLarge, AttachmentNotFound
        InvalidInput, AttachmentTooLarge: the attachments are too many or too large.
    """
    tx.guard((run,))
    tx.append_attempt(run, attempt, ())
    check_output(output)
    end_call(
        tx,
        run,
        call.tool_call_id,
        name=call.name,
        success=success,
        output=output,
        attempt=attempt,
        attachments=find_for_result(tx.conn, call.owner, attachment_ids, run.message_pk),
    )
    tx.settle(run)


def write_in_place(
    tx: Transaction, run: RunRef, attempt: int, tool_call_id: str, text: str
) -> None:
    """Append a text to the output of a call in place, up to ``MAX_OUTPUT_BYTES`` in total.

    Raises:
        StaleAttempt: another attempt or an end came first.
    """
    row = read_calls(tx, run).get(tool_call_id)
    saved_text = "" if row is None else keep_within(text, MAX_OUTPUT_BYTES - row.output_bytes)
    tx.guard((run,))
    bodies = (ToolOutputAdded(tool_call_id=tool_call_id, text=saved_text),) if saved_text else ()
    tx.append_attempt(run, attempt, bodies)
    if row is not None:
        size = row.output_bytes + len(text.encode())
        update_call(tx, run, tool_call_id, output_bytes=size)
