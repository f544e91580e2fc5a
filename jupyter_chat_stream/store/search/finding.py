"""Finding threads by what was written in them: titles, names and the texts of messages.

::

    query ─► index: keys of messages with all words ─┐
             messages that are not in it yet ────────┤
    threads, newest first ─► their titles and keys ──┴─► texts, compared ─► matches

The index only chooses which texts are read; a match is always compared with the text. So both
databases find the same, and a deleted or changed text is never shown. A search reads a bounded
amount of text, and tells if that was not enough.
"""

from __future__ import annotations

import json
import string
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, islice
from typing import NamedTuple

from sqlalchemy import Connection

from ..sql import full_text
from ..sql.driver import among, select_rows
from ..sql.full_text import SEQ_BITS
from .candidates import (
    MAX_DUE,
    AllMessages,
    CandidateSource,
    IndexedMessages,
    NewestMessages,
    read_due,
)
from .folding import Places, compose, fold
from .matching import Match, find
from .queries import MAX_QUERY, Query
from .texts import fields_of

MAX_MATCHES = 3  # of one thread
# A search reads so many messages and characters at most; characters count more if more terms are
# looked for. They bound its time to about a second.
MAX_READ = 2_000
MAX_READ_CHARS = 16_000_000
AT_ONCE = 16  # threads whose texts are compared in one round
TEXTS_AT_ONCE = 16  # read with one query: a text may have more than 1 MB
TITLES_AT_ONCE = 250  # a full page needs the titles of the first threads only
# The newest messages of the first threads tell whether the query's words are common: if this share
# of them matches. Fewer messages tell nothing.
SAMPLED_THREADS, MIN_SAMPLE, COMMON_SHARE = 16, 4, 0.45
MAX_MISSES = 200  # messages that do not match, until the index is asked after all
_FENCES = string.digits + string.ascii_lowercase
_MORE_FENCES = range(0x4E00, 0x4E00 + MAX_QUERY + 1)  # each of these characters is a word


class SearchedThread(NamedTuple):
    """A thread in which a search looks. There are thousands: a tuple is made in half the time."""

    pk: int
    id: str
    title: str | None
    name: str | None


@dataclass(frozen=True, kw_only=True)
class TextMatch:
    """A match in a message; ``message_id`` is None for one in the thread's title or name."""

    message_id: str | None
    match: Match


# Threads that match, each with its matches.
Matching = Sequence[tuple[SearchedThread, Sequence[TextMatch]]]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The threads that match, in order. ``is_complete``: no older text may have been missed."""

    threads: Matching
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class _SearchedText:
    """A message that may match."""

    pk: int
    id: str
    thread: int
    parts: str


@dataclass
class _Thread:
    """A thread whose texts are being compared."""

    thread: SearchedThread
    keys: list[int]
    due: list[int]
    is_cut: bool  # whether it has older messages that are not among these
    title: Match | None
    text_matches: dict[int, TextMatch] = field(default_factory=dict)  # by the key of the message
    compared_pks: set[int] = field(default_factory=set)

    @property
    def wants(self) -> int:
        """The number of matches that are still looked for; 0 if no candidate is left."""
        count = MAX_MATCHES - len(self.text_matches) - (self.title is not None)
        return max(0, count) if self.keys or self.due else 0

    @property
    def lacks(self) -> bool:
        """Whether older messages, which are not among the candidates, may be missed."""
        return self.is_cut and len(self.text_matches) + (self.title is not None) < MAX_MATCHES

    @property
    def matches(self) -> list[TextMatch]:
        """The matches, that in the title first, then the newest message first."""
        titles = [] if self.title is None else [TextMatch(message_id=None, match=self.title)]
        newest = sorted(self.text_matches, reverse=True)
        return [*titles, *(self.text_matches[pk] for pk in newest)][:MAX_MATCHES]


def find_threads(
    conn: Connection, threads: Sequence[SearchedThread], query: Query, *, owner: str, limit: int
) -> SearchResult:
    """Return the first threads that match, with the matches of each.

    Args:
        threads: those of the owner that the search may show, in order.
    """
    if not query.terms:
        return SearchResult(threads=(), is_complete=True)
    return _Search(conn, query, owner).run(threads, limit)


class _Search:
    """One search, in the caller's read transaction."""

    def __init__(self, conn: Connection, query: Query, owner: str) -> None:
        self._conn = conn
        self._query = query
        self._owner = owner
        self._read_count = 0
        self._chars = 0
        self._most_chars = MAX_READ_CHARS // (1 + len(query.terms) // 8)
        self._due, is_all = read_due(conn, owner)
        self._has_index = full_text.has_index(conn)
        self._is_complete = is_all and not (self._has_index and full_text.read_left(conn))

    def run(self, threads: Sequence[SearchedThread], limit: int) -> SearchResult:
        matching = None
        # An incomplete search reads all that it may: the index tells what is worth it.
        if self._has_index and self._is_complete and self._is_common(threads):
            matching = self._find_newest(threads, limit)
        if matching is None:
            matching = self._find(threads, limit, self._source())
        return SearchResult(threads=matching or (), is_complete=self._is_complete)

    def _source(self) -> CandidateSource:
        if not self._has_index:
            return AllMessages()
        lookups = [(lookup.word, lookup.is_prefix) for lookup in self._query.lookups]
        return IndexedMessages(full_text.hits(self._conn, lookups, self._owner), self._due)

    def _is_common(self, threads: Sequence[SearchedThread]) -> bool:
        """Return whether the newest message of most of the first threads matches."""
        pks = [thread.pk for thread in threads[:SAMPLED_THREADS]]
        keys = [
            key
            for thread_keys in full_text.newest(self._conn, pks, 1).values()
            for key in thread_keys
        ]
        outcomes: list[bool] = []
        for text in self._texts(keys, ()):
            outcomes.append(self._match(text) is not None)
            if self._chars * 8 > self._most_chars:  # long texts: the search itself needs the rest
                break
        return len(outcomes) >= MIN_SAMPLE and sum(outcomes) >= len(outcomes) * COMMON_SHARE

    def _find_newest(self, threads: Sequence[SearchedThread], limit: int) -> Matching | None:
        """Find the first threads in their newest messages; None if that does not pay or suffice."""
        source = NewestMessages([thread.pk for thread in threads], self._due)
        counts = self._read_count, self._chars
        matching = self._find(threads, limit, source, max_misses=MAX_MISSES)
        if matching is None:
            self._read_count, self._chars = counts
            self._is_complete = True
        return matching

    def _find(
        self,
        threads: Sequence[SearchedThread],
        limit: int,
        source: CandidateSource,
        max_misses: int | None = None,
    ) -> Matching | None:
        """Find the first threads that match; None if too many candidates do not match."""
        matching: list[tuple[SearchedThread, Sequence[TextMatch]]] = []
        match_count = 0
        candidates = self._candidates(threads, source)
        while len(matching) < limit:
            batch = list(islice(candidates, min(AT_ONCE, limit - len(matching))))
            if not batch:
                break
            self._compare(batch)
            match_count += sum(len(candidate.text_matches) for candidate in batch)
            if max_misses is not None:
                misses = self._read_count - match_count
                # Once the budget is over, the index would have read no text in vain.
                if misses > (max_misses if self._is_complete else SAMPLED_THREADS):
                    return None
                if self._is_complete and any(candidate.lacks for candidate in batch):
                    return None
            matching += [
                (candidate.thread, candidate.matches) for candidate in batch if candidate.matches
            ]
        return matching

    def _candidates(
        self, threads: Sequence[SearchedThread], source: CandidateSource
    ) -> Iterator[_Thread]:
        """Yield the threads that may match."""
        for at in range(0, len(threads), TITLES_AT_ONCE):
            block = threads[at : at + TITLES_AT_ONCE]
            title_numbers = _find_titles(self._query, block)
            for number, thread in enumerate(block):
                if number not in title_numbers and not source.may_have(thread.pk):
                    continue
                title = find(self._query, _titles(thread)) if number in title_numbers else None
                keys, due, is_cut = source.of(self._conn, thread.pk)
                if title is not None or keys or due:
                    yield _Thread(thread, keys, due, is_cut, title)

    def _compare(self, batch: Sequence[_Thread]) -> None:
        """Compare texts until each thread has its matches, or nothing is left to compare."""
        while open_ := [candidate for candidate in batch if candidate.wants]:
            if self._has_read_enough:
                self._is_complete = False
                return
            by_thread = {candidate.thread.pk: candidate for candidate in open_}
            keys = [key for candidate in open_ for key in _pop(candidate.keys, candidate.wants)]
            due = [pk for candidate in open_ for pk in _pop(candidate.due, MAX_DUE)]
            for text in self._texts(keys, due):
                self._compare_text(by_thread[text.thread], text)

    def _texts(self, keys: Sequence[int], due: Sequence[int]) -> Iterator[_SearchedText]:
        """Yield the texts of these messages, a few in memory at once, until enough was read."""
        for read_texts, batch_keys in ((read_indexed, keys), (_read_messages, due)):
            for at in range(0, len(batch_keys), TEXTS_AT_ONCE):
                if self._has_read_enough:
                    self._is_complete = False
                    return
                for text in read_texts(self._conn, batch_keys[at : at + TEXTS_AT_ONCE]):
                    self._read_count += 1
                    self._chars += len(text.parts)
                    yield text

    @property
    def _has_read_enough(self) -> bool:
        return self._read_count >= MAX_READ or self._chars >= self._most_chars

    def _compare_text(self, thread: _Thread, text: _SearchedText) -> None:
        if text.pk in thread.compared_pks:
            return
        thread.compared_pks.add(text.pk)
        match = self._match(text)
        if match is not None:
            thread.text_matches[text.pk] = TextMatch(message_id=text.id, match=match)

    def _match(self, text: _SearchedText) -> Match | None:
        try:
            return find(self._query, fields_of(json.loads(text.parts)))
        except (ValueError, LookupError, TypeError):  # a damaged row; `check` reports it
            return None


def _titles(thread: SearchedThread) -> list[str]:
    return [text for text in (thread.title, thread.name) if text]


def _find_titles(query: Query, threads: Sequence[SearchedThread]) -> set[int]:
    """Return the numbers of the threads whose titles and names may match.

    All are looked through as one text, which takes a few ms for thousands of threads. A place where
    a term crosses from one title into the next would hide a match that begins in it, so a word that
    no term has stands between them.
    """
    separator = f" {_fence(query)} "
    texts = [compose(separator.join(_titles(thread))) for thread in threads]
    ends = list(accumulate(len(text) + len(separator) for text in texts))
    whole_text = separator.join(texts)
    folded_text, places = f" {fold(whole_text)} ", Places(whole_text)
    matching_numbers: set[int] | None = None
    for term in query.terms:
        matches = term.pattern.finditer(folded_text)
        numbers = {bisect_right(ends, places.of(s.start(), s.end() - 1)[0]) for s in matches}
        matching_numbers = numbers if matching_numbers is None else matching_numbers & numbers
        if not matching_numbers:
            break
    return matching_numbers or set()


def _fence(query: Query) -> str:
    """Return a word with which no word of the query begins, in ASCII if there is one."""
    first_chars = {word[0] for term in query.terms for word in term.words}
    return next(char for char in chain(_FENCES, map(chr, _MORE_FENCES)) if char not in first_chars)


def _pop(keys: list[int], count: int) -> list[int]:
    last_keys = keys[-count:]
    del keys[-count:]
    return last_keys


_TEXT = "message.pk, message.id, message.thread, message.parts"


def read_indexed(conn: Connection, keys: Sequence[int]) -> list[_SearchedText]:
    from_clause = (
        "FROM search_row JOIN message ON message.pk = search_row.message "
        f"WHERE search_row.pk {among(conn)} AND message.thread = search_row.pk >> {SEQ_BITS}"
    )
    return _texts(conn, from_clause, keys)


def _read_messages(conn: Connection, keys: Sequence[int]) -> list[_SearchedText]:
    return _texts(conn, f"FROM message WHERE pk {among(conn)}", keys)


def _texts(conn: Connection, from_clause: str, keys: Sequence[int]) -> list[_SearchedText]:
    if not keys:
        return []
    rows = select_rows(conn, _TEXT, from_clause, {"keys": json.dumps(list(keys))})
    return [
        _SearchedText(pk=pk, id=id_, thread=thread, parts=parts)
        for pk, id_, thread, parts in rows
        if isinstance(parts, str)
    ]
