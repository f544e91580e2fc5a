"""Leases: they tell a process on one host whether a process on another host is alive.

A lease is a row that its holder renews. Only the database's clock counts, so the hosts' clocks may
differ. A process that has missed a renewal itself treats all others as alive, because the cause (a
suspended host, an unreachable database) may have delayed them, too.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from ...shared.errors import DatabaseUnreachable
from ..log.transaction import Connection, execute

if TYPE_CHECKING:
    from ..sql.database import Database

# If less than this part of the lease is left at a renewal, a renewal was missed before.
MISSED = 0.25

_NOW = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"
# A reader sees the rows as of the begin of its transaction, so it compares with that time.
_THEN = "(EXTRACT(EPOCH FROM now()) * 1000)::bigint"
# RETURNING computes how much of the lease was left, from the row before the statement.
_BEAT = f"""
WITH before AS (SELECT until_ms FROM lease WHERE owner = %(owner)s)
INSERT INTO lease (owner, kind, host, pid, since_ms, until_ms)
VALUES (%(owner)s, %(kind)s, %(host)s, %(pid)s, {_NOW}, {_NOW} + %(lease_ms)s)
ON CONFLICT (owner) DO UPDATE SET until_ms = EXCLUDED.until_ms
RETURNING (SELECT until_ms FROM before) - {_NOW}
"""
_HOLDS = "EXISTS (SELECT 1 FROM run WHERE run.owner = lease.owner AND ended_ms IS NULL)"
_REMOVE_DEAD = f"DELETE FROM lease WHERE until_ms < {_NOW} - %(lease_ms)s AND NOT {_HOLDS}"
_END = "DELETE FROM lease WHERE owner = %(owner)s"


class LeaseConnection:
    """One holder's lease, and the connection that renews it.

    The methods block, and raise ``DatabaseUnreachable`` while the database is away.
    """

    def __init__(self, database: Database, holder: str, kind: str, lease_s: float) -> None:
        self.holder = holder
        self.lease_s = lease_s
        self._database = database
        self._params = {
            "owner": holder,
            "kind": kind,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "lease_ms": int(lease_s * 1000),
        }
        self._timeout_ms = int(lease_s * 1000)
        self._conn: Any = None

    def beat(self) -> int | None:
        """Renew the lease. Returns how many ms of it were left; None without a lease."""
        left_ms: int | None = self.run(_BEAT).fetchone()[0]
        return left_ms

    def remove_dead(self) -> None:
        """Remove the leases of dead holders that hold no run."""
        self.run(_REMOVE_DEAD)

    def end(self) -> None:
        """End the lease; if the database is away, the lease just expires."""
        self.run(_END)

    def close(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def run(self, sql: str) -> Any:
        try:
            if self._conn is None:
                self._conn = self._database.connect_listening()
                self._conn.execute(f"SET statement_timeout = {self._timeout_ms}")
            return self._conn.execute(sql, self._params)
        except self._database.driver_error as error:
            self.close()
            raise DatabaseUnreachable(
                f"The lease could not be renewed ({type(error).__name__}). It is tried again."
            ) from error


class LeaseReader:
    """Reads leases within one read transaction, so that engines need no connection."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def is_alive(self, own: str, holder: str, lease_s: float) -> bool:
        """Return whether a holder's lease is valid; True if this process cannot judge that.

        Args:
            own: the holder name of this process.
        """
        sql = (
            f"SELECT EXISTS (SELECT 1 FROM lease WHERE owner = :holder AND until_ms > {_THEN}) OR "
            f"NOT EXISTS (SELECT 1 FROM lease WHERE owner = :own AND until_ms > {_THEN} + :missed)"
        )
        params = {"holder": holder, "own": own, "missed": int(lease_s * 1000 * MISSED)}
        return bool(execute(self._conn, sql, params).scalar())
