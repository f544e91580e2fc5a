"""What a provider gets back: read with the runs of a branch, and with no others (L15)."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.store.log import upstreams
from jupyter_chat_stream.store.log.upstreams import ProviderData
from tests.store.harness import StoreHarness, completed


def test_only_the_blocks_of_the_wanted_runs_are_read(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long thread holds many of other branches, each as large as what the model thought."""
    thread = harness.thread()
    runs = []
    for number in range(3):
        claimed = harness.claimed(thread)
        blocks = [
            ProviderData(endpoint="scripted", part=0, data={"of": number, "n": n}) for n in (0, 1)
        ]
        harness.append(claimed, "a", provider_data=blocks)
        harness.append(claimed, *completed("a"), release=True)
        runs.append(claimed.run)
    read: list[Any] = []
    execute = upstreams.execute

    def count(*given: Any) -> list[Any]:
        found = execute(*given).fetchall()
        read.extend(found)
        return list(found)

    monkeypatch.setattr(upstreams, "execute", count)
    wanted = {runs[0].id, runs[2].id}
    found = harness.look(lambda conn: upstreams.read_data(conn, thread, wanted))
    assert {run: [item.data for item in items] for run, items in found.items()} == {
        runs[n].id: [{"n": 0, "of": n}, {"n": 1, "of": n}] for n in (0, 2)
    }
    assert len(read) == 4
    assert harness.look(lambda conn: upstreams.read_data(conn, thread, ())) == {}
