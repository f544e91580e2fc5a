"""The tokens of answers that end early: stopped, failed and refused ones have cost some, too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from jupyter_chat_stream.providers.base import EndChunk, UpstreamChunk, UsageChunk
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.shared.errors import Overloaded, Refusal, UpstreamLost
from jupyter_chat_stream.testing import Gate
from tests.fixtures import MakeHarness
from tests.providers.hosted import Hosted

MODEL = "claude-haiku-4-5"
PROMPT = {"input_tokens": 1_000_000, "output_tokens": 0}
MORE = {"input_tokens": 1_000_000, "output_tokens": 100_000}
REFUSED = Refusal("The model declined to answer.", category="test")


def told(usage: Mapping[str, float]) -> UsageChunk:
    return UsageChunk(model=MODEL, usage=usage)


async def usages(harness: Any, run: Any) -> list[Any]:
    """Return the usage in the last event, in the message, and in the thread's sum."""
    last = (await harness.events(run.thread))[-1]
    assert last.type == "finalized"
    message = await harness.reply(run)
    total, *_ = await harness.services.store.usage.of_thread("local", run.thread.id)
    return [last.body.usage, message["usage"], total]


async def test_a_stopped_answer_counts_what_its_provider_told_last(
    make_harness: MakeHarness,
) -> None:
    """L4, L7"""
    gate = Gate()
    provider = Hosted([told(PROMPT), "Prices ", told(MORE), "ro", gate, "never"])
    harness = await make_harness(provider=provider)
    run = await harness.send(await harness.thread())
    execution = Execution(harness.services, await harness.claim())
    task = asyncio.ensure_future(execution.run())
    await harness.bounded(gate.reached())
    execution.stop("cancelled")
    await harness.bounded(task)
    event, message, total = await usages(harness, run)
    assert event == message == {**MORE, "cost_usd": 1.5}
    assert (total["answers"], total["output_tokens"], total["cost_usd"]) == (1, 100_000, 1.5)


async def test_a_refused_answer_counts_its_prompt(make_harness: MakeHarness) -> None:
    harness = await make_harness(provider=Hosted([told(PROMPT), REFUSED]))
    run = await harness.send(await harness.thread())
    await harness.execute()
    event, message, total = await usages(harness, run)
    assert (await harness.reply(run))["status"] == "failed"
    assert event == message == {**PROMPT, "cost_usd": 1.0}
    assert total["input_tokens"] == 1_000_000


async def test_a_failed_answer_counts_each_of_its_attempts(make_harness: MakeHarness) -> None:
    scripts = [[told(PROMPT), "a", Overloaded("Busy.", retry_after_s=0.0)], [told(MORE), REFUSED]]
    harness = await make_harness(provider=Hosted(*scripts))
    run = await harness.send(await harness.thread())
    await harness.execute()
    event, *_ = await usages(harness, run)
    assert event == {"input_tokens": 2_000_000, "output_tokens": 100_000, "cost_usd": 2.5}


async def test_an_upstream_that_is_joined_again_counts_once(make_harness: MakeHarness) -> None:
    """L15: whoever joins a response that has failed hears of its end, and its tokens, again."""
    place = UpstreamChunk(handle={"id": "r1"}, cursor=1)
    first = [place, "a", told(PROMPT), Overloaded("Busy.", retry_after_s=0.0)]
    again = [told(PROMPT), UpstreamLost("It has failed.")]
    harness = await make_harness(provider=Hosted(first, again, [told(MORE), REFUSED]))
    run = await harness.send(await harness.thread())
    await harness.execute()
    event, *_ = await usages(harness, run)
    assert event == {"input_tokens": 2_000_000, "output_tokens": 100_000, "cost_usd": 2.5}


async def test_an_answer_that_completes_has_the_usage_of_its_end_alone(
    make_harness: MakeHarness,
) -> None:
    end = EndChunk(stop_reason="end_turn", model=MODEL, usage=MORE)
    harness = await make_harness(provider=Hosted([told(PROMPT), "Prices rose.", end]))
    run = await harness.send(await harness.thread())
    await harness.execute()
    event, message, _ = await usages(harness, run)
    assert (event, message) == (None, {**MORE, "cost_usd": 1.5})


async def test_an_answer_whose_tokens_nobody_counted_has_no_usage(
    make_harness: MakeHarness,
) -> None:
    harness = await make_harness(provider=Hosted(["a", REFUSED]))
    run = await harness.send(await harness.thread())
    await harness.execute()
    event, message, total = await usages(harness, run)
    assert (event, message, total["answers"]) == (None, None, 0)


async def test_the_context_is_that_of_the_newest_whole_answer(make_harness: MakeHarness) -> None:
    end = EndChunk(stop_reason="end_turn", model=MODEL, usage={**PROMPT, "input_tokens": 7})
    harness = await make_harness(provider=Hosted(["Whole.", end], [told(MORE), REFUSED]))
    thread = await harness.thread()
    await harness.send(thread)
    await harness.execute()
    await harness.send(thread)
    await harness.execute()
    *_, used, _ = await harness.services.store.usage.of_thread("local", thread.id)
    assert used is not None
    assert used.tokens == 7
