"""Claims and leases: what engines ask of the store, and what an attempt may change."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from ...shared.errors import DamagedRow
from ...shared.records import OnCrash
from ..chat import claims, schedules
from ..chat.claims import Claimed
from ..chat.due import Due, find_due, find_held, find_one, next_wake
from ..chat.leases import LeaseConnection, LeaseReader
from ..chat.schedules import DueSchedule
from ..log.transaction import RunRef
from ..store import Store


class StoredClaims:
    """Who executes which run."""

    def __init__(self, core: Store) -> None:
        self._core = core

    def lease(self, holder: str, kind: str, lease_s: float) -> LeaseConnection:
        """Return this process's lease, which nothing has taken yet."""
        return LeaseConnection(self._core.database, holder, kind, lease_s)

    async def find_due(
        self,
        now_ms: int,
        *,
        max_active_per_user: int | None,
        served: Mapping[str, int],
        may_have_lost: Callable[[LeaseReader, str], bool],
        is_lost: Callable[[LeaseReader, Due], bool],
    ) -> tuple[list[Due], list[DueSchedule]]:
        """List the runs that nobody works on, in a fair order, and the schedules that are due.

        Both callbacks are called on a reading thread.

        Args:
            may_have_lost: returns whether a process may hold runs that it does not work on.
            is_lost: returns whether nobody works on a run.
        """

        def work(conn: Connection) -> tuple[list[Due], list[DueSchedule]]:
            leases = LeaseReader(conn)
            found = find_due(
                conn,
                now_ms,
                max_active_per_user,
                served,
                lambda holder: may_have_lost(leases, holder),
            )
            due = [each for each in found if is_lost(leases, each)]
            return due, schedules.find_due(conn, now_ms)

        return await self._core.read(work)

    async def next_times(self, after_ms: int) -> list[int]:
        """List the next times, in ms, at which a waiting run and a schedule become due."""
        times = await self._core.read(
            lambda conn: (next_wake(conn, after_ms), schedules.next_tick(conn, after_ms))
        )
        return [time_ms for time_ms in times if time_ms is not None]

    async def find(self, run_id: str, is_free: Callable[[LeaseReader, Due], bool]) -> Due | None:
        """Find an open run that is free; ``is_free`` is called on a reading thread."""

        def work(conn: Connection) -> Due | None:
            due = find_one(conn, run_id)
            return due if due is not None and is_free(LeaseReader(conn), due) else None

        return await self._core.read(work)

    async def held_by(self, holder: str) -> set[str]:
        """Read the ids of the runs that a process holds."""
        return await self._core.read(lambda conn: find_held(conn, holder))

    async def take(
        self,
        due: Due,
        holder: str,
        *,
        max_crashes: int,
        on_crash: OnCrash,
        max_active_per_user: int | None = None,
    ) -> Claimed | None:
        """Take a run for its next attempt (``chat.claims.claim``); None if it is not to be had."""
        return await self._core.write(
            lambda tx: claims.claim(
                tx,
                due,
                holder,
                max_crashes=max_crashes,
                on_crash=on_crash,
                max_active_per_user=max_active_per_user,
            ),
            due.run.thread.pk,
        )

    async def retry(self, claimed: Claimed, *, restart: bool) -> Claimed | None:
        """Begin the next attempt of a run that this process holds; None if it was fenced."""
        return await self._core.write(
            lambda tx: claims.retry_attempt(tx, claimed, restart=restart), claimed.run.thread.pk
        )

    async def put_off(self, claimed: Claimed, until_ms: int, reason: str, *, release: bool) -> None:
        """Count a failed attempt, and set the time of the next one.

        Args:
            release: nobody holds the run until then; a sweep takes it.

        Raises:
            StaleAttempt
        """
        await self._core.write(
            lambda tx: claims.put_off(tx, claimed, until_ms, reason, release=release),
            claimed.run.thread.pk,
        )

    async def fail_damaged(self, run: RunRef, attempt: int, damage: DamagedRow) -> None:
        """End a run that cannot be executed because a row is damaged."""
        await self._core.write(
            lambda tx: claims.fail_damaged(tx, run, attempt, damage), run.thread.pk
        )
