"""Tokens and costs in Python: of a thread, and of all chats."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from jupyter_chat_stream import Chat, ContextUse, UsageEntry, UsageTable
from jupyter_chat_stream.kernel import usage as usage_module
from jupyter_chat_stream.shared.errors import InvalidInput, WrongCall
from tests.kernel.harness import ECHO

NOTHING = {"input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0}


def entry(name: str = "demo/echo", **fields: Any) -> UsageEntry:
    given = {**NOTHING, "answers": 1, "cost_usd": None, "unknown_cost": 0, **fields}
    return UsageEntry(name=name, **given)


@pytest.mark.usefixtures("here")
def test_a_thread_s_usage_is_that_of_its_answers(name: str) -> None:
    chat = Chat(name, model=ECHO)
    assert (len(chat.usage()), chat.usage().total.answers, chat.usage().context) == (0, 0, None)
    replies = [chat.ask("Hello"), chat.ask("Again, and longer")]
    found = chat.usage()
    assert [(each.name, each.answers, each.unknown_cost) for each in found] == [(ECHO, 2, 0)]
    counted = [dict(reply.usage or {}) for reply in replies]
    assert found.total.output_tokens == sum(usage["output_tokens"] for usage in counted)
    assert found.total.tokens == sum(sum(usage.values()) for usage in counted)
    assert found.total.cost == "-"  # the demo has no price
    assert found.context is not None
    assert (found.context.model, found.context.used_tokens) == (ECHO, sum(counted[-1].values()))
    assert (found.context.context_tokens or 0) > (found.context.prompt_tokens or 0) > 1_000
    assert asyncio.run(chat.ausage()) == found


@pytest.mark.usefixtures("here")
def test_all_chats_are_added_up_by_day_model_and_thread(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_module, "PAGE", 1)  # so that there are several pages
    one, two = Chat(name, model=ECHO), Chat(f"{name} 2", model=ECHO)
    one.ask("Hello")
    two.ask("Hello")
    two.ask("Hello")
    threads = one.usage(by="thread")
    found = {each.thread: (each.name, each.answers) for each in threads}
    assert found[one.thread] == (name, 1)
    assert found[two.thread] == (f"{name} 2", 2)
    assert threads.total.answers == sum(each.answers for each in threads)
    models = {each.name: each for each in one.usage(by="model")}
    assert models[ECHO].answers >= 3
    today = datetime.now(UTC).date()
    days = one.usage(by="day", timezone="UTC", since=today - timedelta(days=1))
    assert days[0].name in (str(today), str(today + timedelta(days=1)))
    for until in (today - timedelta(days=5), str(today - timedelta(days=5)), timedelta(days=-5)):
        earlier = one.usage(by="day", until=until)
        assert (len(earlier), earlier.total.answers) == (0, 0)
    assert one.usage(by="thread", since=date(2020, 1, 1)).total.answers >= 3


@pytest.mark.usefixtures("here")
def test_a_mistaken_call_names_the_option(name: str) -> None:
    chat = Chat(name)
    with pytest.raises(WrongCall, match="Did you mean 'model'"):
        chat.usage(by="modell")  # type: ignore[arg-type]
    with pytest.raises(WrongCall, match="since is for by="):
        chat.usage(since=date(2026, 1, 1))
    with pytest.raises(InvalidInput, match="since is no time") as caught:
        chat.usage(by="day", since="yesterday at 5")
    assert caught.value.facts["field"] == "since"
    with pytest.raises(InvalidInput, match="366 days"):
        chat.usage(by="day", since="2020-01-01")
    with pytest.raises(InvalidInput, match="zone"):
        chat.usage(by="day", timezone="Mars/Base")


def test_the_share_of_the_context_is_that_of_a_prompt_as_on_the_page() -> None:
    context = ContextUse(model="m", used_tokens=850, context_tokens=2_000, prompt_tokens=1_000)
    assert context.share == 0.85
    assert repr(context) == "ContextUse(850 of 1,000 tokens, 85%, m)"
    table = UsageTable([], by="model", total=entry("total"), context=context)
    assert repr(table).endswith("context: 850 of 1,000 tokens used, 85% (m)")
    assert ContextUse(model="m", used_tokens=1, context_tokens=None).share is None


def test_a_table_reads_like_one_and_no_unknown_cost_is_zero() -> None:
    entries = [
        entry("anthropic/claude", answers=1_200, input_tokens=5_000, cache_read_tokens=500,
              output_tokens=34, cost_usd=1.5),
        entry("ollama/qwen3:8b", answers=2, input_tokens=7, unknown_cost=2),
    ]  # fmt: skip
    total = entry("total", answers=1_202, input_tokens=5_507, output_tokens=34, cost_usd=1.5,
                  unknown_cost=2)  # fmt: skip
    context = ContextUse(model="m", used_tokens=1_500, context_tokens=10_000)
    assert repr(UsageTable(entries, by="model", total=total, context=context)) == (
        "model             answers   read  written  cost\n"
        "anthropic/claude    1,200  5,500       34  $1.5000\n"
        "ollama/qwen3:8b         2      7        0  unknown\n"
        "total               1,202  5,507       34  $1.5000 + 2 unknown\n"
        "context: 1,500 of 10,000 tokens used, 15% (m)"
    )
    assert repr(entries[1]) == "UsageEntry('ollama/qwen3:8b', 2 answers, 7 tokens, cost unknown)"
    assert entry(answers=0).cost == "-"
    assert entry(cost_usd=0).cost == "$0.0000"
    assert entry(cost_usd=0.00002).cost == "<$0.0001"
