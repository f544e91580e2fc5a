"""One commit while the database goes away, step by step: no commit is lost, none is made twice.

The database is scripted here. `test_outages` has the same with a real Postgres.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from jupyter_chat_stream.shared.backoff import Backoff
from jupyter_chat_stream.shared.errors import DatabaseUnreachable
from jupyter_chat_stream.store.log import commit_attempt
from jupyter_chat_stream.store.log.commit_attempt import AWAY, UNKNOWN, CommitAttempt
from jupyter_chat_stream.store.log.operations import Append, Command, Committed, Operation
from jupyter_chat_stream.store.log.outcome import InDoubt
from jupyter_chat_stream.store.log.pending import PendingOperations
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef

LOST = OperationalError("SELECT 1", None, psycopg.OperationalError("the connection is lost"))
REFUSED = OperationalError("SELECT 1", None, psycopg.errors.DiskFull("no space is left"))
WRITTEN = Committed(events=[], outcomes=[])


class ScriptedDatabase:
    """Stands for both the writer of batches and its connection: does what its scripts say.

    ``writes`` holds what each write returns or raises, ``answers`` what each question about a
    COMMIT in doubt returns or raises.
    """

    def __init__(self, *writes: Committed | Exception, answers: list[Any] | None = None) -> None:
        self.writes = list(writes)
        self.answers = answers or []
        self.written: list[list[Operation]] = []
        self.losses = 0
        self.has_ended_outage = False

    def write(self, batch: list[Operation]) -> Committed:
        self.written.append(list(batch))
        return _next(self.writes)

    def was_committed(self, conn: object, doubt: InDoubt, *, give_up: bool) -> bool | None:
        return _next(self.answers)

    def get(self) -> object:
        return None

    def lose(self, error: BaseException) -> None:
        self.losses += 1

    def end_outage(self) -> None:
        self.has_ended_outage = True


def _next(script: list[Any]) -> Any:
    found = script.pop(0)
    if isinstance(found, Exception):
        raise found
    return found


class Attempt:
    """A commit attempt over a scripted database."""

    def __init__(self, database: ScriptedDatabase, *batch: Operation) -> None:
        self.pending = PendingOperations()
        self.told: list[tuple[Operation, str]] = []
        self._attempt = CommitAttempt(
            list(batch),
            database,  # type: ignore[arg-type]
            database,  # type: ignore[arg-type]
            self.pending,
            self._deliver,
        )

    def run(self) -> Committed:
        return self._attempt.run()

    def _deliver(self, committed: Committed) -> None:
        for operation, _, error in committed.outcomes:
            assert isinstance(error, DatabaseUnreachable)
            self.told.append((operation, error.message))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_attempt, "AWAY_BACKOFF", Backoff(first_s=0.001, max_s=0.001))


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def make(*writes: Committed | Exception, answers: list[Any] | None = None) -> ScriptedDatabase:
        made = ScriptedDatabase(*writes, answers=answers)
        monkeypatch.setattr(commit_attempt, "was_committed", made.was_committed)
        return made

    return make


def append(**more: Any) -> Append:
    thread = ThreadRef(pk=1, id="t")
    run = RunRef(pk=1, id="r", thread=thread, message_pk=1, message_id="m")
    return Append(run=run, attempt=1, bodies=(), **more)


def command(**more: Any) -> Command:
    return Command(work=lambda tx: None, **more)


def in_doubt() -> InDoubt:
    return InDoubt("77", WRITTEN)


def test_a_lost_connection_is_tried_again_until_the_batch_is_written(scripted: Any) -> None:
    """L1"""
    operation = append()
    database = scripted(LOST, LOST, WRITTEN)
    attempt = Attempt(database, operation)
    assert attempt.run() is WRITTEN
    assert database.written == [[operation]] * 3
    assert (database.losses, attempt.told) == (2, [])


def test_a_refusal_is_raised_at_once(scripted: Any) -> None:
    database = scripted(REFUSED)
    with pytest.raises(OperationalError):
        Attempt(database, append()).run()
    assert (len(database.written), database.losses) == (1, 0)


def test_a_commit_in_doubt_that_came_through_is_not_written_again(scripted: Any) -> None:
    """L1, L3: its text would be there twice."""
    database = scripted(in_doubt(), answers=[None, LOST, True])
    assert Attempt(database, append()).run() is WRITTEN
    assert len(database.written) == 1
    assert database.losses == 2  # the COMMIT's connection, and one that asked
    assert database.has_ended_outage


def test_a_commit_in_doubt_that_did_not_come_through_is_written_again(scripted: Any) -> None:
    """L1: and only after the database has said so."""
    database = scripted(in_doubt(), WRITTEN, answers=[None, False])
    assert Attempt(database, append()).run() is WRITTEN
    assert len(database.written) == 2
    assert database.answers == []


def test_an_operation_whose_patience_is_over_is_told_and_leaves_the_batch(scripted: Any) -> None:
    late, patient = command(patience_s=-1.0), append()
    database = scripted(LOST, WRITTEN)
    attempt = Attempt(database, late, patient)
    assert attempt.run() is WRITTEN
    assert attempt.told == [(late, AWAY)]
    assert database.written == [[late, patient], [patient]]


def test_a_batch_that_nobody_waits_for_any_more_is_given_up(scripted: Any) -> None:
    late = command(patience_s=-1.0)
    attempt = Attempt(scripted(LOST), late)
    assert attempt.run().outcomes == []
    assert attempt.told == [(late, AWAY)]


def test_in_doubt_a_command_is_told_that_its_outcome_is_not_known(scripted: Any) -> None:
    """L3: and the append waits on, because its run would only write it again."""
    late, waiting = command(patience_s=-1.0), append(patience_s=-1.0)
    attempt = Attempt(scripted(in_doubt(), answers=[None, True]), late, waiting)
    assert attempt.run() is WRITTEN
    assert attempt.told == [(late, UNKNOWN)]


def test_an_operation_that_comes_during_an_outage_is_told_when_it_is_late(scripted: Any) -> None:
    waiting = command(patience_s=-1.0)
    attempt = Attempt(scripted(LOST, WRITTEN), append())
    attempt.pending.put(waiting)
    assert attempt.run() is WRITTEN
    assert attempt.told == [(waiting, AWAY)]


def test_at_the_end_of_the_store_nothing_waits_for_a_database_that_is_away(
    scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even an append in doubt, whose next attempt looks at the log."""
    waiting = append()
    attempt = Attempt(scripted(in_doubt(), answers=[None, None]), waiting)
    attempt.pending.close()
    monkeypatch.setattr("jupyter_chat_stream.store.log.pending.LAST_PATIENCE_S", -1.0)
    assert attempt.run().outcomes == []
    assert attempt.told == [(waiting, UNKNOWN)]
