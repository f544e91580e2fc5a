"""The end of a run that its own attempt does not write: a person, a model or a sweep ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...shared.events import Finalized
from ...shared.records import EndStatus
from ..sql import rows

if TYPE_CHECKING:
    from .transaction import RunRef, Transaction


def end_of(tx: Transaction, run: RunRef, status: EndStatus) -> Finalized:
    """Return the end of a run, with the tokens that are known.

    They are those that the process of its attempt has told, or else those of its ended rounds.
    """
    usage = tx.told.get(run.id)
    if usage is None:
        text = tx.execute("SELECT spent FROM run WHERE pk = :pk", {"pk": run.pk}).scalar()
        usage = rows.load_or_none(text)
    return Finalized(status=status, usage=usage)
