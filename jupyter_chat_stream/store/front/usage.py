"""The sums of tokens and costs."""

from __future__ import annotations

from ..chat import usage
from .verbs import Group, reads


class StoredUsage(Group):
    """The ledger of usage of a database."""

    total = reads(usage.sum_all)
    by_day = reads(usage.by_day)
    by_model = reads(usage.by_model)
    by_thread = reads(usage.by_thread)
    of_thread = reads(usage.of_thread)
