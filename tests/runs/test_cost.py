"""The cost of an answer is computed once, when the answer has completed."""

from __future__ import annotations

from jupyter_chat_stream.providers.base import EndChunk
from tests.fixtures import MakeHarness
from tests.providers.hosted import Hosted

COUNTS = {"input_tokens": 1_000_000, "output_tokens": 100_000}


async def test_the_cost_stands_in_the_log_and_in_the_message(make_harness: MakeHarness) -> None:
    """L7"""
    end = EndChunk(stop_reason="end_turn", model="claude-haiku-4-5", usage=COUNTS)
    harness = await make_harness(provider=Hosted(["Prices rose.", end]))
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.reply(run))["usage"] == {**COUNTS, "cost_usd": 1.5}
    events = await harness.events(run.thread)
    complete = [event for event in events if event.type == "complete"]
    assert [event["usage"] for event in complete] == [{**COUNTS, "cost_usd": 1.5}]


async def test_a_model_without_a_price_completes_with_its_tokens(
    make_harness: MakeHarness,
) -> None:
    end = EndChunk(stop_reason="end_turn", model="claude-of-next-year", usage=COUNTS)
    harness = await make_harness(provider=Hosted(["Prices rose.", end]))
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["usage"]) == ("completed", COUNTS)
