"""What a provider gets back: read with the runs of a branch, and with no others (L15)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import StaleAttempt
from jupyter_chat_stream.shared.events import Finalized
from jupyter_chat_stream.store.log import upstreams
from jupyter_chat_stream.store.log.upstreams import ProviderData, UpstreamPlace
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


PLACE = UpstreamPlace(endpoint="lab", handle={"id": "up_1"}, cursor=3)


def test_a_place_is_that_of_the_attempt_that_has_written_the_newest_text(
    harness: StoreHarness,
) -> None:
    """L5, L15: an older release, which knows no upstreams, may have made an attempt meanwhile."""
    thread = harness.thread()
    run = harness.send(thread)
    first = harness.claim(run)
    assert first is not None
    harness.append(first, "Prices ", upstream=PLACE)
    second = harness.claim(run, owner="01b")
    assert second is not None
    assert harness.look(lambda conn: upstreams.read_upstream(conn, run)) == PLACE
    harness.append(second, "fell.")  # with no place, as an older release does
    assert harness.look(lambda conn: upstreams.read_upstream(conn, run)) is None
    harness.append(second, " Again.", upstream=replace(PLACE, cursor=9))
    found = harness.look(lambda conn: upstreams.read_upstream(conn, run))
    assert found == replace(PLACE, cursor=9)


def test_an_older_attempt_moves_no_place(harness: StoreHarness) -> None:
    """L5"""
    thread = harness.thread()
    run = harness.send(thread)
    first, second = harness.claim(run), harness.claim(run, owner="01b")
    assert first is not None
    assert second is not None
    harness.append(second, "Prices ", upstream=PLACE)
    with pytest.raises(StaleAttempt):
        harness.append(first, "fell.", upstream=replace(PLACE, cursor=1))
    assert harness.look(lambda conn: upstreams.read_upstream(conn, run)) == PLACE


def test_a_place_that_cannot_be_joined_can_be_stopped(harness: StoreHarness) -> None:
    thread = harness.thread()
    run = harness.send(thread)
    first, second = harness.claim(run), harness.claim(run, owner="01b")
    assert first is not None
    assert second is not None
    harness.do(lambda tx: upstreams.write_upstream(tx, run, PLACE, attempt=first.attempt))
    harness.append(second, "fell.", Finalized(status="cancelled"))
    found = harness.look(lambda conn: upstreams.read_cancelled_upstream(conn, run.id))
    assert found == PLACE
