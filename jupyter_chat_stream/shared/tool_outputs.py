"""The output of a tool's result, where something is to be told about its files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .events import clean_text

MAX_NOTES = 20
MAX_NOTE_CHARS = 500


def with_notes(output: Any, notes: Sequence[str]) -> Any:
    """Return an output that tells which files were not kept: in its text, or beside its JSON."""
    if not notes:
        return output
    texts = [clean_text(note)[:MAX_NOTE_CHARS] for note in notes[:MAX_NOTES]]
    if isinstance(output, str):
        return "\n".join([output, *(f"[{note}]" for note in texts)])
    return {"output": output, "not_kept": texts}
