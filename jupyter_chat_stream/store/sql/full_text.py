"""The full-text index of messages: FTS5 in SQLite, a ``tsvector`` with a GIN index in Postgres.

::

    message ends, or is sent, or is rewritten ──trigger, same transaction──► search_due ─┐
    messages before the index was made: keys up to ``search_left`` in ``meta`` ──────────┤
                                                   search_row, and its words ◄──in steps──┘

Both databases hold the same words, which ``search.folding`` makes: neither one's own tokenizer is
used, so both find the same messages. No positions are held: a match is compared with its text. If
SQLite has no FTS5, there is no index, and a search reads texts. The index is made anew when a
process with FTS5 opens such a database.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text
from sqlmodel import SQLModel

from ...shared.events import ENDS
from . import tables
from .driver import driver_sql

# A key in the index is (thread key << SEQ_BITS) | seq, so hits need no join to know their thread.
SEQ_BITS = 28
LEFT = "search_left"  # in `meta`: messages with keys up to this one may be missing in the index

_ENDS = ", ".join(f"'{end}'" for end in sorted(ENDS))
_IS_SEARCHED = f"(role = 'user' OR status IN ({_ENDS}))"
_IS_NEW = f"(new.role = 'user' OR new.status IN ({_ENDS}))"
_HAS_CHANGED = (
    f"(new.status IN ({_ENDS}) AND old.status NOT IN ({_ENDS}) "
    "OR new.role = 'user' AND new.parts <> old.parts)"
)
_QUEUE = "INSERT INTO search_due (message) VALUES (new.pk) ON CONFLICT (message) DO NOTHING"
_IN_SQLITE = (
    "CREATE TRIGGER IF NOT EXISTS search_message_new AFTER INSERT ON message "
    f"WHEN {_IS_NEW} BEGIN {_QUEUE}; END",
    "CREATE TRIGGER IF NOT EXISTS search_message_changed "
    f"AFTER UPDATE OF status, parts ON message WHEN {_HAS_CHANGED} BEGIN {_QUEUE}; END",
)
_IN_POSTGRES = (
    "CREATE OR REPLACE FUNCTION search_queue() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN {_QUEUE}; RETURN NULL; END $$",
    "CREATE OR REPLACE TRIGGER search_message_new AFTER INSERT ON message FOR EACH ROW "
    f"WHEN {_IS_NEW} EXECUTE FUNCTION search_queue()",
    "CREATE OR REPLACE TRIGGER search_message_changed "
    "AFTER UPDATE OF status, parts ON message FOR EACH ROW "
    f"WHEN ({_HAS_CHANGED}) EXECUTE FUNCTION search_queue()",
    "ALTER TABLE search_row ADD COLUMN IF NOT EXISTS words tsvector NOT NULL",
    # Without `fastupdate`, no search reads a list of pending entries, and no insert empties it.
    "CREATE INDEX IF NOT EXISTS search_words ON search_row USING gin (words) "
    "WITH (fastupdate = off)",
)
_FTS5 = (
    "CREATE VIRTUAL TABLE search_text USING fts5("
    "words, tokenize=\"ascii tokenchars '_'\", prefix='2', detail=none, columnsize=0)"
)
# While this trigger exists, the FTS5 table follows `search_row`, also in a purge by older code.
_FOLLOWS = (
    "CREATE TRIGGER search_row_gone AFTER DELETE ON search_row BEGIN "
    "DELETE FROM search_text WHERE rowid = old.pk; END"
)

_ROW_OF = "SELECT 1 FROM search_row WHERE search_row.message = message.pk"
# FTS5 itself would read the words, which this table of it holds by their key.
_TEXT_OF = " AND EXISTS (SELECT 1 FROM search_text_content WHERE id = search_row.pk)"


def make(conn: Connection) -> None:
    """Make the tables, the triggers and an empty index, which older messages enter later."""
    own_tables = [tables.table(tables.SearchRow), tables.table(tables.SearchDueRow)]
    SQLModel.metadata.create_all(conn, tables=own_tables)
    for sql in _IN_SQLITE if conn.dialect.name == "sqlite" else _IN_POSTGRES:
        conn.execute(text(sql))
    begin_anew(conn)


def ensure(conn: Connection) -> None:
    """Make the FTS5 table if this process is the first with FTS5, or let go of it without FTS5."""
    if conn.dialect.name != "sqlite" or has_index(conn) == has_fts5(conn):
        return
    if not has_fts5(conn):  # no row could be deleted while the trigger needs FTS5
        conn.execute(text("DROP TRIGGER search_row_gone"))
        return
    rebuild(conn)


def has_fts5(conn: Connection) -> bool:
    """Return whether this process's SQLite has FTS5."""
    sql = "SELECT 1 FROM pragma_module_list WHERE name = 'fts5'"
    return conn.execute(text(sql)).first() is not None


def has_index(conn: Connection) -> bool:
    """Return whether the database has an index that follows the messages."""
    if conn.dialect.name != "sqlite":
        return True
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = 'search_row_gone'"
    return conn.exec_driver_sql(sql).first() is not None


def read_left(conn: Connection) -> int:
    """Return the key up to which older messages may be missing in the index; 0 if none is."""
    return int(_run(conn, "SELECT value FROM meta WHERE key = :key", key=LEFT).scalar() or 0)


def write_left(conn: Connection, max_key: int) -> None:
    """Note that only messages with keys up to ``max_key`` may be missing."""
    _run(
        conn,
        "INSERT INTO meta (key, value) VALUES (:key, :value) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        key=LEFT,
        value=str(max_key),
    )


def index_message(
    conn: Connection, message: int, place: tuple[int, int], bag: Sequence[str], owner: str
) -> None:
    """Write a message's words into the index, in place of those it has there.

    Args:
        place: the key of its thread, and its seq.
        owner: of the thread.
    """
    thread, seq = place
    pk = (thread << SEQ_BITS) | seq
    _run(conn, "DELETE FROM search_row WHERE message = :message", message=message)
    if conn.dialect.name == "sqlite":
        _run(conn, "INSERT INTO search_row (pk, message) VALUES (:pk, :m)", pk=pk, m=message)
        sql = "INSERT INTO search_text (rowid, words) VALUES (:pk, :words)"
        _run(conn, sql, pk=pk, words=" ".join(bag))
        return
    sql = (
        "INSERT INTO search_row (pk, message, words) "
        "VALUES (:pk, :m, array_to_tsvector(CAST(:bag AS text[])))"
    )
    _run(conn, sql, pk=pk, m=message, bag=[*bag, owner_word(owner)])


def hits(conn: Connection, lookups: Sequence[tuple[str, bool]], owner: str) -> list[int]:
    """Return the keys in the index that have all words, sorted.

    Args:
        lookups: words, each with whether every word that begins with it counts.
        owner: only this person's messages; SQLite may return those of others, too.
    """
    if conn.dialect.name == "sqlite":
        match = " AND ".join(f'"{word}"{"*" if is_open else ""}' for word, is_open in lookups)
        sql = "SELECT json_group_array(rowid) FROM search_text WHERE search_text MATCH :match"
        return sorted(json.loads(_run(conn, sql, match=match).scalar()))
    words = [f"'{word}'{':*' if is_open else ''}" for word, is_open in lookups]
    # The planner does not know that a scan of the table would unpack every row's words.
    _run(conn, "SET LOCAL enable_seqscan = off")
    sql = (
        "SELECT COALESCE(string_agg(CAST(pk AS text), ','), '') FROM search_row "
        "WHERE words @@ CAST(:query AS tsquery)"
    )
    key_list = _run(conn, sql, query=" & ".join([*words, f"'{owner_word(owner)}'"])).scalar()
    _run(conn, "SET LOCAL enable_seqscan = on")
    return sorted(json.loads(f"[{key_list}]"))


def newest(conn: Connection, threads: Sequence[int], count: int) -> dict[int, list[int]]:
    """Return the last keys in the index of each of these threads, sorted; at most ``count``."""
    of_thread = (
        f"SELECT pk FROM search_row WHERE pk >= CAST(key.value AS bigint) << {SEQ_BITS} "
        f"AND pk < (CAST(key.value AS bigint) + 1) << {SEQ_BITS} ORDER BY pk DESC LIMIT :count"
    )
    if conn.dialect.name == "sqlite":
        keys, array = "json_each(:threads) AS key", "json_group_array(pk)"
    else:
        keys, array = "json_array_elements_text(CAST(:threads AS json)) AS key", "json_agg(pk)"
    keys_sql = f"SELECT CAST({array} AS text) FROM ({of_thread}) AS row"
    sql = f"SELECT CAST(key.value AS bigint), ({keys_sql}) FROM {keys}"
    rows = _run(conn, sql, threads=json.dumps(list(threads)), count=count)
    return {thread: sorted(json.loads(keys or "[]")) for thread, keys in rows}


def find_missing(conn: Connection, thread: int) -> list[str]:
    """List the ids of a thread's messages that ought to be in the index, and are not."""
    if not has_index(conn):
        return []
    is_there = f"EXISTS ({_ROW_OF}{_TEXT_OF if conn.dialect.name == 'sqlite' else ''})"
    sql = (
        f"SELECT id FROM message WHERE thread = :thread AND {_IS_SEARCHED} "
        f"AND pk > :left AND NOT {is_there} "
        "AND NOT EXISTS (SELECT 1 FROM search_due WHERE search_due.message = message.pk) "
        "ORDER BY pk"
    )
    return [row[0] for row in _run(conn, sql, thread=thread, left=read_left(conn))]


def rebuild(conn: Connection) -> None:
    """Empty the index; all messages enter it again, in steps."""
    if conn.dialect.name == "sqlite" and not has_fts5(conn):
        return
    if conn.dialect.name == "sqlite":
        for sql in ("DROP TRIGGER IF EXISTS search_row_gone", "DROP TABLE IF EXISTS search_text"):
            conn.execute(text(sql))
    conn.execute(text("DELETE FROM search_row"))
    conn.execute(text("DELETE FROM search_due"))
    if conn.dialect.name == "sqlite":
        conn.execute(text(_FTS5))
        conn.execute(text(_FOLLOWS))
    begin_anew(conn)


def owner_word(owner: str) -> str:
    """Return the word that all messages of one person have; no text has such a word."""
    return f"__{sha256(owner.encode()).hexdigest()[:16]}"


def begin_anew(conn: Connection) -> None:
    write_left(conn, int(conn.execute(text("SELECT MAX(pk) FROM message")).scalar() or 0))


def _run(conn: Connection, sql: str, **params: object) -> Any:
    return conn.exec_driver_sql(driver_sql(conn.dialect.paramstyle, sql), params)
