"""(t) A search over 100,000 messages on both databases, beside a plain LIKE over the same rows.

The rows and the index are written in bulk, with the words that the index always gets. Words are
drawn as in a language: the first of 30,000 is in almost every message. A time is from the call to
the page of 50 threads with their matches, in the process of the server. The LIKE looks for the same
letters in the messages' rows, and marks and sorts nothing.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, text

from jupyter_chat_stream.shared.events import canonical
from jupyter_chat_stream.shared.list_records import ThreadList
from jupyter_chat_stream.store.chat.listing import ListFilter
from jupyter_chat_stream.store.log.transaction import execute
from jupyter_chat_stream.store.search.folding import bag_of
from jupyter_chat_stream.store.search.pages import search_threads
from jupyter_chat_stream.store.sql import full_text
from jupyter_chat_stream.store.sql.driver import insert_rows
from jupyter_chat_stream.store.store import Store, new_id
from tests.postgres import Postgres

from .report import Section, ms, percentile, times

OWNER = "local"
MESSAGES, THREADS = 100_000, 5_000
LENGTHS = (10, 20, 100, 200)  # words of a message
AT_ONCE = 2_000  # rows of one transaction
ROUNDS, LIKE_ROUNDS = 15, 3
LETTERS = "abcdefghijklmnopqrstuvwxyz"
HANZI = "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年"
THREAD = (
    "pk", "id", "owner", "project", "title", "archived", "deleted", "created_ms", "updated_ms",
)  # fmt: skip
MESSAGE = ("pk", "id", "thread", "role", "kind", "status", "parts", "seq", "created_ms")


class Language:
    """Makes texts, the same ones in each run."""

    def __init__(self) -> None:
        self.rand = random.Random(10)
        self.words = [self._word() for _ in range(30_000)]
        self._shares = list(accumulate(1 / rank for rank in range(1, len(self.words) + 1)))

    def _word(self) -> str:
        return "".join(self.rand.choices(LETTERS, k=self.rand.randint(2, 10)))

    def text(self) -> str:
        if self.rand.random() < 0.05:
            return "".join(self.rand.choices(HANZI, k=self.rand.choice(LENGTHS)))
        words = self.rand.choices(self.words, cum_weights=self._shares, k=self.rand.choice(LENGTHS))
        return " ".join(words)


def run(*, quick: bool = False) -> Section:
    """Measure; quick: a hundredth of the messages."""
    share = 100 if quick else 1
    language = Language()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-stream-bench-"))
        server = stack.enter_context(Postgres(fsync=False))
        urls = (f"sqlite:///{folder}/chat.db", server.url(server.create_database()))
        stores = [Store.open(url) for url in urls]
        for store in stores:
            stack.callback(store.close)
        texts = [language.text() for _ in range(MESSAGES // share)]
        bags = [" ".join(bag_of([each])) for each in texts]
        notes = [_fill(store, texts, bags, THREADS // share) for store in stores]
        rows = [_row(stores, name, q, like) for name, q, like in _queries(language, texts)]
    head = ["query", "threads", *_heads("SQLite"), *_heads("Postgres")]
    return Section(
        name="t",
        title=f"a search over {len(texts)} messages, ms",
        goal="under 50 ms at the server, on both databases",
        rows=[head, *rows],
        notes=notes,
    )


def _heads(name: str) -> list[str]:
    return [f"{name}, best", "p50", "longest", "LIKE ÷ ours"]


def _queries(language: Language, texts: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return the queries: a name, what is searched, and what the LIKE looks for."""
    first, second, third = language.words[:3]
    long_word = next(word for word in language.words[5:] if len(word) > 5)
    chinese = next(each for each in texts if each[0] in HANZI)[:4]
    phrase = " ".join(texts[0].split()[2:5])
    return [
        ("a word of 1 in 200 messages", language.words[2000], language.words[2000]),
        ("a word of 1 in 30", language.words[300], language.words[300]),
        ("a word of almost all", f"{first} ", first),
        ("two words of most", f"{first} {second}", first),
        ("a phrase of common words", f'"{first} {second} {third}"', f"{first} {second} {third}"),
        ("a phrase of one message", f'"{phrase}"', phrase),
        ("the first 2 letters of a common word", long_word[:2], long_word[:2]),
        ("its first 4 letters", long_word[:4], long_word[:4]),
        ("4 characters of Chinese", chinese, chinese),
        ("2 common characters of Chinese", HANZI[:2], HANZI[:2]),
        ("a title", "title 77", "title 77"),
        ("what is nowhere", "xyzzyxyzzy", "xyzzyxyzzy"),
    ]


def _row(stores: Sequence[Store], name: str, q: str, like: str) -> list[str]:
    def searched(conn: Connection) -> ThreadList:
        return search_threads(conn, OWNER, ListFilter(), q, limit=50)

    cells: list[str] = []
    counts = set()
    for store in stores:
        found, took_s = _timed(searched, store, ROUNDS)
        assert found["is_complete"]
        counts.add(len(found["threads"]))
        _, plain_s = _timed(lambda conn: _like(conn, like), store, LIKE_ROUNDS)
        ratio = times(min(plain_s) / min(took_s))
        cells += [ms(min(took_s)), ms(percentile(took_s, 0.5)), ms(max(took_s)), ratio]
    assert len(counts) == 1, name  # both find the same
    return [name, str(counts.pop()), *cells]


def _timed(work: Callable[[Connection], Any], store: Store, rounds: int) -> tuple[Any, list[float]]:
    took_s = []
    for _ in range(rounds):
        begun = time.perf_counter()
        found = store.read_now(work)
        took_s.append(time.perf_counter() - begun)
    return found, took_s


def _like(conn: Connection, letters: str) -> int:
    like = "LIKE" if conn.dialect.name == "sqlite" else "ILIKE"
    sql = (
        "SELECT DISTINCT thread.pk FROM message JOIN thread ON thread.pk = message.thread "
        f"WHERE thread.owner = :owner AND message.parts {like} :like"
    )
    return len(execute(conn, sql, {"owner": OWNER, "like": f"%{letters}%"}).fetchall())


# ---------------------------------------------------------------------- filling a database


def _fill(store: Store, texts: Sequence[str], bags: Sequence[str], threads: int) -> str:
    begun = time.perf_counter()
    rand = random.Random(1)
    places = [rand.randint(1, threads) for _ in texts]
    numbered = list(zip(range(1, len(texts) + 1), texts, places, strict=True))
    _insert(store, "thread", THREAD, [_thread(n) for n in range(1, threads + 1)])
    _insert(store, "message", MESSAGE, [_message(*each) for each in numbered])
    written_s = time.perf_counter() - begun
    before = _bytes(store)
    keys = [(thread << full_text.SEQ_BITS) | n for n, _, thread in numbered]
    if store.database.is_sqlite:
        _insert(store, "search_row", ("pk", "message"), list(zip(keys, range(1, len(keys) + 1), strict=True)))  # noqa: E501  # fmt: skip
        _insert(store, "search_text", ("rowid", "words"), list(zip(keys, bags, strict=True)))
    else:
        _copy(store, keys, bags)
    store.submit(lambda tx: _finish(tx.conn)).result()
    indexed_s = time.perf_counter() - begun - written_s
    size = sum(len(each.encode()) for each in texts)
    name = "SQLite" if store.database.is_sqlite else "Postgres"
    return (
        f"{name}: {size / 1e6:.0f} MB of text written in {written_s:.0f} s, and their index in "
        f"{indexed_s:.0f} s, {(_bytes(store) - before) / 1e6:.0f} MB"
    )


def _copy(store: Store, keys: Sequence[int], bags: Sequence[str]) -> None:
    """Fill Postgres's index as a restored backup does: the rows first, then the index on them."""
    owned = full_text.owner_word(OWNER)
    with store.database.connect_listening() as conn:
        conn.execute("DROP INDEX search_words")
        with conn.cursor().copy("COPY search_row (pk, message, words) FROM STDIN") as copy:
            for n, (key, bag) in enumerate(zip(keys, bags, strict=True), 1):
                lexemes = " ".join(f"'{word}'" for word in (*bag.split(" "), owned))
                copy.write_row((key, n, lexemes))
        conn.execute(
            "CREATE INDEX search_words ON search_row USING gin (words) WITH (fastupdate = off)"
        )
        conn.execute("VACUUM ANALYZE")


def _finish(conn: Connection) -> None:
    conn.execute(text("DELETE FROM search_due"))
    full_text.write_left(conn, 0)


def _insert(
    store: Store, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    for at in range(0, len(rows), AT_ONCE):
        part = rows[at : at + AT_ONCE]
        store.submit(lambda tx: insert_rows(tx.conn, table, columns, part)).result()  # noqa: B023


def _thread(n: int) -> tuple[Any, ...]:
    return (n, new_id(), OWNER, "", f"title {n}", False, False, n, n)


def _message(n: int, words: str, thread: int) -> tuple[Any, ...]:
    parts = canonical([{"kind": "text", "text": words}])
    return (n, new_id(), thread, "user", "chat", "completed", parts, n, n)


def _bytes(store: Store) -> int:
    sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    if not store.database.is_sqlite:
        sql = "SELECT pg_database_size(current_database())"
    return int(store.read_now(lambda conn: execute(conn, sql).scalar()))
