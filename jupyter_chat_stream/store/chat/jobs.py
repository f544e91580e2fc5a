"""Creates Procrastinate's tables beside ours, and writes jobs for due runs into them.

The tables are in a schema of their own. Its name has a hash of the SQL that made it, so processes
with different versions of Procrastinate use different schemas, and no process migrates another's.
A job is a call (run id, attempt). The transaction that makes a run due writes the job, and the
sweep writes a lost job again, so the rows of this schema may be lost. The schema's functions find
their tables with any search path of a connection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from ...shared.errors import DatabaseUnreadable
from ...shared.events import dumps
from ..log.transaction import Connection, Transaction, execute
from ..sql import postgres
from ..sql.database import Database
from ..sql.failures import is_unreachable, reason_of

QUEUE = "chat_stream"
TASK = "execute"
_PREFIX = "chat_stream_jobs"
MOST_SCHEMAS, MOST_JOBS = 20, 10_000  # the most that one transaction cleans up

# A call that is in the queue already is not added again. If another transaction adds the call at
# the same time, the exception handler undoes only this insert.
_DEFER = f"""
CREATE FUNCTION chat_stream_defer(run_id text, attempt integer, priority integer)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    key text := run_id || ':' || attempt;
BEGIN
    IF EXISTS (SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = key AND status = 'todo') THEN
        RETURN false;
    END IF;
    PERFORM procrastinate_defer_jobs_v1(ARRAY[ROW(
        '{QUEUE}', '{TASK}', priority, NULL, key,
        jsonb_build_object('run_id', run_id, 'attempt', attempt), NULL
    )::procrastinate_job_to_defer_v1]);
    RETURN true;
EXCEPTION WHEN unique_violation THEN
    RETURN false;
END;
$$;
"""
_PIN = """
DO $$
DECLARE
    made regprocedure;
BEGIN
    FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = '{schema}'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = {schema}, pg_temp', made);
    END LOOP;
END;
$$;
"""
# The more open runs an owner has, the lower is the priority of the owner's jobs. The calls are
# sorted, so that two transactions never wait for each other's rows.
_ENQUEUE = """
SELECT {schema}.chat_stream_defer(due.run_id, due.attempt, -(
    SELECT COUNT(*)::integer FROM run JOIN thread ON thread.pk = run.thread
    WHERE run.ended_ms IS NULL AND run.status IN ('pending', 'processing') AND thread.owner = (
        SELECT thread.owner FROM run JOIN thread ON thread.pk = run.thread
        WHERE run.id = due.run_id
    )
)) FROM (
    SELECT * FROM json_to_recordset(CAST(:due AS json)) AS due(run_id text, attempt integer)
    ORDER BY run_id COLLATE "C", attempt
) AS due
"""


# Our schemas, by their names. A schema that another database user made is left out.
_SCHEMAS = """
SELECT home.nspname FROM pg_namespace AS home JOIN pg_class AS jobs ON jobs.relnamespace = home.oid
WHERE home.nspname ~ :ours AND jobs.relname = 'procrastinate_jobs'
AND has_schema_privilege(home.oid, 'USAGE') AND has_table_privilege(jobs.oid, 'SELECT')
AND has_table_privilege(jobs.oid, 'UPDATE') AND has_table_privilege(jobs.oid, 'DELETE')
ORDER BY home.nspname LIMIT :most
"""
_CLEAR = """
DELETE FROM {schema}.procrastinate_jobs WHERE id IN (
    SELECT job.id FROM {schema}.procrastinate_jobs AS job
    WHERE job.status = 'todo' AND NOT EXISTS (
        SELECT 1 FROM run WHERE run.id = job.args ->> 'run_id' AND run.ended_ms IS NULL
        AND run.attempt < (job.args ->> 'attempt')::integer
    ) ORDER BY job.id LIMIT :most FOR UPDATE SKIP LOCKED
)
"""


class Jobs:
    """Procrastinate's schema in one of our databases."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.sql = _procrastinates_sql() + _DEFER
        self.schema = ""
        self._home = ""

    @property
    def connect_options(self) -> Mapping[str, object]:
        """Return the options of Procrastinate's own connections."""
        url = self._database.url
        _, options = self._database.writing.dialect.create_connect_args(url)
        return {**options, **postgres.options_for(url)}

    def create(self, tx: Transaction) -> None:
        """Make the schema if it is missing; raises DatabaseUnreadable without the privilege."""
        home = self._home = str(tx.execute("SELECT current_schema()").scalar())
        self.schema = _name(home, hashlib.sha256(self.sql.encode()).hexdigest()[:8])
        tx.execute("SELECT pg_advisory_xact_lock(hashtext(:name))", {"name": self.schema})
        exists = "SELECT to_regclass(:name) IS NOT NULL"
        if tx.execute(exists, {"name": f"{self.schema}.procrastinate_jobs"}).scalar():
            return
        try:
            self._make(tx.conn, home)
        except DBAPIError as error:
            if is_unreachable(error):
                raise
            raise DatabaseUnreadable(
                f"The schema {self.schema!r} for the workers' queue cannot be made: "
                f"{reason_of(error)}. Let this database's user CREATE in the database, or make the "
                "schema for it."
            ) from error

    def enqueue(self, conn: Connection, due: Sequence[tuple[str, int]]) -> None:
        """Write jobs for due runs; the workers see them after this transaction's commit."""
        calls = [{"run_id": run_id, "attempt": attempt} for run_id, attempt in due]
        execute(conn, _ENQUEUE.format(schema=self.schema), {"due": dumps(calls)})

    def clear(self, conn: Connection) -> None:
        """Remove jobs of dead workers, and jobs for runs that are not due.

        A sweep writes a removed job again if its run is still due. Jobs for runs that are not due
        are removed from all schemas: a server of another version may use a schema without workers.
        """
        sql = f"DELETE FROM {self.schema}.procrastinate_jobs WHERE status <> 'todo' AND "
        execute(conn, f"{sql} worker_id IS NULL")
        params = {"ours": f"^{_name(self._home, '[0-9a-f]{8}')}$", "most": MOST_SCHEMAS}
        for (schema,) in execute(conn, _SCHEMAS, params).fetchall():
            execute(conn, _CLEAR.format(schema=schema), {"most": MOST_JOBS})

    def _make(self, conn: Connection, home: str) -> None:
        exists = "SELECT 1 FROM pg_namespace WHERE nspname = :name"
        if execute(conn, exists, {"name": self.schema}).scalar() is None:
            execute(conn, f"CREATE SCHEMA {self.schema}")
        for sql in (
            f"SET LOCAL search_path = {self.schema}",
            self.sql,
            _PIN.format(schema=self.schema),
            f'SET LOCAL search_path = "{home}"',
        ):
            conn.exec_driver_sql(sql, execution_options={"no_parameters": True})


def _name(home: str, version: str) -> str:
    if home == "public":
        return f"{_PREFIX}_{version}"
    suffix = hashlib.sha256(home.encode()).hexdigest()[:8]
    return f"{_PREFIX}_{version}_{suffix}"


def _procrastinates_sql() -> str:
    # The file is read without importing the package, which takes half a second.
    spec = find_spec("procrastinate")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        return (Path(folder) / "sql" / "schema.sql").read_text(encoding="utf-8")
    raise DatabaseUnreadable(
        "Workers need Procrastinate, which is not installed here. "
        "pip install 'jupyter-chat-stream[postgres]', or set --ChatStream.run_in_server=True."
    )
