"""Random texts and queries: both databases find what a simple model finds, indexed or not."""

from __future__ import annotations

from random import Random

from tests.store.harness import StoreHarness
from tests.store.search.searching import found, index, matches, say

# Few letters, so that random words meet; with accents, code, scripts without blanks, an emoji.
LETTERS = "aábBcßÉeαΣ1"
SIGNS = "     __..-(\n\u00a0’"
UNSPACED = "学习カが한🎉"
THREADS, QUERIES = 24, 220


def text_of(rand: Random, most: int) -> str:
    return "".join(rand.choices(LETTERS * 2 + SIGNS + UNSPACED, k=rand.randint(1, most)))


def query_of(rand: Random, texts: list[str]) -> str:
    """Make a query, of a piece of a text (random words alone rarely match) or two."""
    pieces = []
    for _ in range(rand.choice((1, 1, 2))):
        text = rand.choice(texts)
        at = rand.randrange(len(text))
        piece = text[at : at + rand.randint(1, 8)]
        pieces.append(f'"{piece}"' if rand.random() < 0.25 else piece)
    return " ".join(pieces) + rand.choice(("", "", "", "a", '"', "学"))


def test_both_databases_find_what_a_simple_model_finds(harness: StoreHarness) -> None:
    rand = Random(10)
    made: list[tuple[str, list[list[str]]]] = []  # the searched texts of each thread
    for number in range(THREADS):
        title, name = text_of(rand, 20), f"n {text_of(rand, 9)} {number}"
        thread = harness.thread(title=title, name=name)
        texts = [text_of(rand, 60) for _ in range(rand.randint(0, 4))]
        for text in texts:
            say(harness, thread, text)
        made.append((thread.id, [[title, name], *([text] for text in texts)]))
        if number == THREADS // 2:
            index(harness)
    pool = [text for _, texts in made for fields in texts for text in fields]
    queries = [query_of(rand, pool) for _ in range(QUERIES)]
    hits = 0
    for n, q in enumerate(queries):
        if n == QUERIES // 2:
            index(harness)
        wanted = {id_ for id_, texts in made if any(matches(fields, q) for fields in texts)}
        assert set(found(harness, q)) == wanted, q
        hits += bool(wanted) and len(wanted) < THREADS
    assert hits > QUERIES / 2  # the queries are no empty ones
