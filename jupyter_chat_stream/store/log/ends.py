"""The end of a run that its own attempt does not write: a person, a model or a sweep ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...shared.events import Finalized
from ...shared.records import EndStatus, Usage
from ...shared.usage import counts_of
from ..sql import rows

if TYPE_CHECKING:
    from .transaction import RunRef, Transaction


def end_of(tx: Transaction, run: RunRef, status: EndStatus) -> Finalized:
    """Return the end of a run, with the tokens that are known.

    They come from the process that works on the run, or from the run's ended rounds. The larger
    count is the newer one: a round may have ended since that process counted, or that process was
    frozen while another one took the run.
    """
    text = tx.execute("SELECT spent FROM run WHERE pk = :pk", {"pk": run.pk}).scalar()
    candidates = (tx.live_usage.get(run.id), rows.load_or_none(text))
    usages = (usage for usage in candidates if isinstance(usage, Mapping))
    return Finalized(status=status, usage=max(usages, key=_tokens, default=None))


def _tokens(usage: Usage) -> int:
    counts = counts_of(usage)
    return 0 if counts is None else counts.total
