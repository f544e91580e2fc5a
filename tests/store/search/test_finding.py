"""Searches on both databases: what is found, in which order, by whom, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from jupyter_chat_stream.shared.events import Delta, Finalized, InputRequested, ToolStarted
from jupyter_chat_stream.store.chat import commands, queued, runs, threads
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
from jupyter_chat_stream.store.search import candidates, finding
from jupyter_chat_stream.store.sql import full_text
from tests.store.harness import StoreHarness
from tests.store.search.searching import found, index, marked, say, say_parts, search

TEXTS: list[tuple[str, list[str], list[str]]] = [
    ("The Churn rate in Q3", ["churn", "CHURN rate", "rate q3", "chu", "the chur"], ["urn"]),
    ("Łódź café, naïve; Straße", ["lodz", "cafe", "CAFÉ naive", "strasse"], ["caffe"]),
    ("df.groupby(my_var)", ["df.groupby", "my_var", "groupby", "my_v"], ["df.my_var"]),
    ("one two three", ['"one two"', '"two three', "three one"], ['"one three"', '"one tw"']),
    ("机器学习很有趣", ["学习", "机器学习", "器学", "趣"], ["学机", "机学"]),
    ("カタカナとひらがな", ["カナ", "ひら"], ["ナカ"]),
    ("ｶﾀｶﾅ ＡＢＣ", ["カタ", "abc"], ["abd"]),
    ("한국어로 씁니다", ["국어", "한국"], ["어국"]),
    ("สวัสดีครับ", ["สวัสดี", "ครับ"], ["สวด"]),
    ("हिन्दी में", ["हिन्दी"], ["हन्दी"]),
    ("party 🎉 time", ["🎉", "party 🎉"], ["🎊"]),
    ("𝔘𝔫𝔦code 𠮷野家", ["unicode", "𠮷野"], ["野𠮷"]),
    ("x = 3.14 # pi", ["3.14", "pi"], ["3.41"]),
    ("e\u0301tude NFD \u202eabc\u202c so\u00adft", ["étude", "etude", "abc", "soft"], ["fd"]),
]  # fmt: skip
ODD = [
    '"', '""', "'", "*", "a*", "(", ")", "((", "a AND", "OR", "NOT a", "NEAR(a b)", "a:b", "-a",
    "^a", "{a}:b", "a & | !", "<->", "\\", "a\\", "%", "_", "\x00", "a\x00b", "\ud800", "\t\n",
    "''':*", "words:a", "search_text:x", "__", "_00ffff", ":*", '"a', 'a"b"c', "\u202e", "￿",
    "''; DROP TABLE message; --", " ".join("abcdefghijklmnopqrstuvwxyz" * 9), "字" * 500,
    "x" * 500,
]  # fmt: skip


def test_words_are_found_however_they_are_written(harness: StoreHarness) -> None:
    """Each text: what finds it, and what does not; before it is indexed, and after."""
    made = [(harness.thread(), text) for text, _, _ in TEXTS]
    for thread, text in made:
        say(harness, thread, text)
    for _ in range(2):
        for (thread, _), (_, hits, misses) in zip(made, TEXTS, strict=True):
            assert [q for q in hits if thread.id not in found(harness, q)] == []
            assert [q for q in misses if thread.id in found(harness, q)] == []
        index(harness)


def test_any_text_is_a_query(harness: StoreHarness) -> None:
    thread = harness.thread(title="unrelated")
    say(harness, thread, "nothing of this")
    index(harness)
    for q in ODD:
        assert search(harness, q)["is_complete"], q
    assert found(harness, "nothing") == [thread.id]


def test_all_words_are_within_one_message_or_the_title_and_name(harness: StoreHarness) -> None:
    thread = harness.thread(title="Sales forecast", name="prophet")
    say(harness, thread, "first message")
    say(harness, thread, "second one")
    index(harness)
    assert found(harness, "forecast prophet") == [thread.id]
    assert found(harness, "first second") == []
    assert found(harness, "forecast first") == []
    assert found(harness, '"forecast prophet"') == []  # a phrase is within one text


def test_a_title_is_found_after_one_that_ends_with_the_first_words(harness: StoreHarness) -> None:
    """Titles are compared as one text: no match may begin in one and end in the next."""
    wanted, *_ = (harness.thread(title=title).id for title in ("red red", "red", "not that"))
    assert found(harness, '"red red"') == [wanted]
    assert found(harness, '"red red" red') == [wanted]
    every = " ".join("0123456789abcdefghijklmnopqrstuvwxyz")
    named = harness.thread(title=f"red {every}")
    assert found(harness, f"{every} red") == [named.id]


def test_threads_come_newest_first_with_three_matches_each(harness: StoreHarness) -> None:
    old, new = harness.thread(title="The zebra"), harness.thread()
    harness.clock.now += 1000
    ids = [say(harness, old, f"zebra number {n}") for n in range(5)]
    harness.clock.now += 1000
    only = say(harness, new, "a zebra")
    index(harness)
    answer = search(harness, "zebra")["threads"]
    assert [thread["id"] for thread in answer] == [new.id, old.id]
    assert marked(answer[0]) == [(only, ["zebra"])]
    assert marked(answer[1]) == [(None, ["zebra"]), (ids[4], ["zebra"]), (ids[3], ["zebra"])]
    assert found(harness, "zebra", limit=1) == [new.id]
    assert found(harness, "zebra", before=new.id) == [old.id]


def test_a_row_that_is_found_is_the_row_of_the_list(harness: StoreHarness) -> None:
    thread = harness.thread(project="/data")
    harness.answered(thread, ["a zebra"])
    row = search(harness, "zebra")["threads"][0]
    assert row["unread"] == 1
    assert not row["busy"]
    assert row["project"] == "/data"
    assert found(harness, "zebra", project="/data") == [thread.id]
    assert found(harness, "zebra", project="/else") == []
    assert found(harness, "zebra", archived=True) == []
    assert found(harness, "zebra", pinned=True) == []


def test_a_search_shows_nothing_of_another_person(harness: StoreHarness) -> None:
    """L16: what a person may not see is answered as what does not exist."""
    for owner in ("eve", "local"):
        say(harness, harness.thread(owner=owner, title=f"secret {owner}"), f"zebra {owner}")
    for is_indexed in (False, True):
        if is_indexed:
            index(harness)
        assert len(found(harness, "zebra")) == len(found(harness, "secret")) == 1
        assert found(harness, "eve") == found(harness, "zebra", owner="adam") == []


def test_a_deleted_thread_is_not_found(harness: StoreHarness) -> None:
    thread = harness.thread(title="zebra")
    say(harness, thread, "zebra")
    index(harness)
    harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    assert found(harness, "zebra") == []


def test_a_new_title_is_found_at_once_and_the_old_one_no_more(harness: StoreHarness) -> None:
    thread = harness.thread(title="before")
    harness.do(lambda tx: threads.change_thread(tx, "local", thread.id, {"title": "afterwards"}))
    assert found(harness, "after") == [thread.id]
    assert found(harness, "before") == []


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "interrupted"])
def test_an_answer_is_found_from_its_end_on(harness: StoreHarness, status: Any) -> None:
    thread = harness.thread()
    claimed = harness.claimed(thread)
    harness.append(claimed, "a zeb", "ra", settle=True)
    assert found(harness, "zebra") == []
    harness.append(claimed, Finalized(status=status), release=True)
    for _ in range(2):
        assert found(harness, "zebra") == [thread.id]
        index(harness)


def test_a_message_for_later_is_found_before_and_after_its_time(harness: StoreHarness) -> None:
    thread = harness.thread()
    later = harness.clock.now + 60_000
    request = SendRequest(content="zebra", deliver_ms=later)
    sender = Sender(owner="local")
    sent = harness.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.id)
    index(harness)
    assert found(harness, "zebra") == [thread.id]
    run_id = sent["run"]["id"]
    harness.do(lambda tx: commands.cancel(tx, runs.find_run(tx.conn, "local", run_id)), thread.pk)
    assert found(harness, "zebra") == [thread.id]
    assert harness.damage() == []


def test_a_rewritten_message_is_found_by_its_new_text_only(harness: StoreHarness) -> None:
    thread = harness.thread()
    harness.claimed(thread)
    run = harness.send(thread, "zebra")
    index(harness)
    harness.do(lambda tx: queued.rewrite(tx, "local", run.id, "giraffe"), thread.pk)
    for _ in range(2):
        assert found(harness, "zebra") == []
        assert found(harness, "giraffe") == [thread.id]
        index(harness)
    assert harness.damage() == []


def test_reasoning_and_tools_are_not_searched_but_questions_and_names_are(
    harness: StoreHarness,
) -> None:
    thread = harness.thread()
    claimed = harness.claimed(thread)
    harness.append(
        claimed,
        Delta(part=0, kind="reasoning", text="hidden"),
        Delta(part=1, kind="text", text="shown"),
        ToolStarted(part=2, tool_call_id="t", name="called", input={"query": "argument"}),
        InputRequested(request_id="r", prompt="Which colour?", choices=None, expires_at=None),
    )
    harness.append(claimed, Finalized(status="completed"), release=True)
    named: Any = {"kind": "attachment", "name": "report_2026.csv", "text": "inside"}
    say_parts(harness, thread, [named, {"kind": "text", "text": "see there"}])
    for _ in range(2):
        for q in ("shown", "colour shown", "report_2026", "report there"):
            assert found(harness, q) == [thread.id], q
        for q in ("hidden", "called", "argument", "inside"):
            assert found(harness, q) == [], q
        index(harness)


def test_a_text_that_continues_in_another_part_is_one_text(harness: StoreHarness) -> None:
    thread = harness.thread()
    say_parts(harness, thread, [{"kind": "text", "text": "ze"}, {"kind": "text", "text": "bra"}])
    index(harness)
    assert found(harness, "zebra") == [thread.id]


def test_a_search_that_reads_too_much_tells_so(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time is bounded: the words are everywhere, but the phrase with a prefix is nowhere."""
    thread = harness.thread()
    for _ in range(9):
        say(harness, thread, "two one")
    index(harness)
    assert search(harness, 'one "one tw')["is_complete"]
    monkeypatch.setattr(finding, "MAX_READ", 4)
    answer = search(harness, 'one "one tw')
    assert answer["threads"] == []
    assert answer["is_complete"] is False


def test_a_search_holds_few_texts_at_once_and_stops_within_a_round(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MAX_READ_CHARS", 20_000)
    monkeypatch.setattr(finding, "TEXTS_AT_ONCE", 4)
    for _ in range(12):
        thread = harness.thread()
        for _ in range(3):
            say(harness, thread, "the word needle, and " + "filler " * 1_000)
    index(harness)
    counts: list[int] = []

    def read(conn: Connection, keys: Sequence[int]) -> Any:
        counts.append(len(keys))
        return read_indexed(conn, keys)

    read_indexed = finding.read_indexed
    monkeypatch.setattr(finding, "read_indexed", read)
    answer = search(harness, "needle")
    assert (max(counts), sum(counts)) == (4, 8)  # one round tells how common the word is
    assert 1 <= len(answer["threads"]) <= 4
    assert not answer["is_complete"]


def test_a_search_of_long_texts_finds_as_much_as_with_the_index(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        thread = harness.thread()
        for _ in range(3):
            say(harness, thread, "the word needle, and " + "filler " * 1_000)
    index(harness)
    monkeypatch.setattr(finding, "MAX_READ_CHARS", 200_000)  # of 420,000
    short = search(harness, "needle")
    monkeypatch.setattr(finding, "MIN_SAMPLE", 1_000)  # the index is asked each time
    whole = search(harness, "needle")
    assert len(short["threads"]) >= len(whole["threads"]) - 1  # the sample is of the same budget
    assert len(whole["threads"]) >= 5
    assert short["is_complete"] is whole["is_complete"] is False


def test_many_messages_that_wait_for_the_index_make_a_search_incomplete(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MAX_DUE", 3)
    thread = harness.thread()
    for n in range(4):
        say(harness, thread, f"zebra{n}")
    assert search(harness, "zebra3")["is_complete"] is False
    assert len(search(harness, "zebra3")["threads"]) == 1
    assert search(harness, "zebra0")["threads"] == []
    index(harness)
    assert found(harness, "zebra0") == [thread.id]


def test_a_very_long_message_is_found_by_its_beginning(harness: StoreHarness) -> None:
    """Neither database refuses a row of a megabyte of different words."""
    thread = harness.thread()
    say(harness, thread, " ".join(f"w{n:x}ü" for n in range(120_000)))
    say(harness, thread, "字" * 300_000 + " end")
    assert index(harness) == 2
    assert found(harness, "w1f") == [thread.id]
    assert found(harness, "字字字") == [thread.id]


def test_a_damaged_message_does_not_stop_a_search(harness: StoreHarness) -> None:
    thread = harness.thread()
    broken = say(harness, thread, "zebra")
    say(harness, thread, "zebra and horse")
    index(harness)
    harness.sql("UPDATE message SET parts = 'no JSON' WHERE id = :id", id=broken)
    assert found(harness, "zebra") == [thread.id]
    index(harness)
    assert found(harness, "zebra") == [thread.id]
    assert json.dumps(search(harness, "zebra")).isascii()


def test_a_search_ends_where_indexed_messages_and_a_new_one_match(harness: StoreHarness) -> None:
    thread = harness.thread()
    for n in range(5):
        say(harness, thread, f"zebra {n}")
    index(harness)
    say(harness, thread, "zebra 5")  # it waits for its way into the index
    answer = search(harness, "zebra")
    assert [len(each["matches"]) for each in answer["threads"]] == [3]


@pytest.mark.parametrize("deep", [0, 40], ids=["", "a match is older than the newest ones"])
def test_common_words_are_found_without_the_index_and_nothing_else_changes(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch, deep: int
) -> None:
    for number in range(20):
        thread = harness.thread(title=f"often {number}" if number % 5 == 0 else None)
        for n in range(4):
            say(harness, thread, f"often {'seldom' if n + number == 9 else 'not'} {n}")
    for n in range(deep):  # in the last thread, over its messages with the words
        say(harness, thread, f"else {n}")
    index(harness)
    say(harness, thread, "often, and not in the index yet")
    asked: list[Any] = []
    hits = full_text.hits
    monkeypatch.setattr(full_text, "hits", lambda *given: asked.append(given) or hits(*given))
    shown = {}
    for q in ("often", '"often not"', "oft", "often 2", "seldom", "nowhere"):
        shown[q] = search(harness, q)
    assert len(asked) == (6 if deep else 3)  # "often 2", "seldom" and "nowhere" are no common words
    monkeypatch.setattr(finding, "MIN_SAMPLE", 1_000)  # the index is asked each time
    for q, answer in shown.items():
        assert search(harness, q) == answer, q
    assert len(shown["often"]["threads"]) == 20
