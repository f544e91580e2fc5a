"""What every engine keeps, on its database: sentences about runs, not about how they are called."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from jupyter_chat_stream.providers.base import AskChunk, Prompt, SleepChunk
from jupyter_chat_stream.shared.events import Delta
from jupyter_chat_stream.store.chat import answers, schedules
from jupyter_chat_stream.store.chat.claims import claim
from jupyter_chat_stream.store.chat.due import find_one
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.transaction import Connection, RunRef, ThreadRef, Transaction
from jupyter_chat_stream.testing import Gate, ScriptedProvider, answering
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness, texts


def answer_to(prompt: Prompt) -> str:
    return f"You said {prompt.turns[-1].text}, and that is what you said."


def answerer(**settings: Any) -> ScriptedProvider:
    return ScriptedProvider(default=answering(answer_to, **settings))


async def begun(harness: RunHarness) -> RunHarness:
    await harness.engine.start()
    return harness


async def left_by(
    harness: RunHarness, run: RunRef, owner: str, said: str = "", part: int = 0
) -> None:
    """Let another process take a run, say something of it, and be heard of no more."""

    def take(tx: Transaction) -> int:
        due = find_one(tx.conn, run.id)
        assert due is not None
        claimed = claim(tx, due, owner, max_crashes=100, on_crash="continue")
        assert claimed is not None
        return claimed.attempt

    attempt = await harness.store.write(take, run.thread.pk)
    if said:
        delta = Delta(part=part, kind="text", text=said)
        append = Append(run=run, attempt=attempt, bodies=(delta,))
        await asyncio.wrap_future(harness.store.append_future(append))


async def ends_of(harness: RunHarness, threads: Sequence[ThreadRef]) -> Counter[str]:
    """Count each run's ends in the log."""
    ends: Counter[str] = Counter()
    for thread in threads:
        for event in await harness.events(thread):
            if event.type == "finalized":
                assert event.run_id is not None
                ends[event.run_id] += 1
    return ends


async def attempts_of(harness: RunHarness, run: RunRef) -> list[int]:
    """Return the attempts that wrote of a run, in the order of the log."""
    found = [
        e.attempt for e in await harness.events(run.thread) if e.run_id == run.id and e.attempt
    ]
    return list(dict.fromkeys(found))


async def test_every_run_of_many_threads_ends_once_in_its_turn_with_its_text(
    make_harness: MakeHarness,
) -> None:
    """L4, L10."""
    harness = await begun(await make_harness(provider=answerer()))
    threads = [await harness.thread() for _ in range(6)]
    runs = [await harness.send(thread, f"{n}") for n in range(3) for thread in threads]
    for run in runs:
        assert (await harness.ended(run))["status"] == "completed"
    assert await ends_of(harness, threads) == {run.id: 1 for run in runs}
    for thread in threads:
        replies = [m for m in (await harness.state(thread))["messages"] if m["role"] == "assistant"]
        assert [m["content"] for m in replies] == [
            f"You said {n}, and that is what you said." for n in range(3)
        ]
        begun_in = [e.run_id for e in await harness.events(thread) if e.attempt == 1]
        assert list(dict.fromkeys(begun_in)) == [m["run_id"] for m in replies]


async def test_a_run_is_made_once_though_two_processes_look_for_it(
    make_harness: MakeHarness,
) -> None:
    """L5: of all who try, one gets it; the others' calls do nothing."""
    harnesses = [await begun(await make_harness(provider=answerer())) for _ in range(2)]
    threads = [await harnesses[0].thread() for _ in range(6)]
    runs = [await harnesses[n % 2].send(thread) for n, thread in enumerate(threads)]
    for harness in harnesses:
        harness.engine.sweep.nudge()
    for run in runs:
        assert (await harnesses[0].ended(run))["status"] == "completed"
        assert await attempts_of(harnesses[0], run) == [1]
    assert sum(len(harness.provider.prompts) for harness in harnesses) == len(runs)


async def test_what_was_due_before_the_start_is_made(make_harness: MakeHarness) -> None:
    harness = await make_harness(["Prices rose."])
    run = await harness.send(await harness.thread())
    await begun(harness)
    assert (await harness.ended(run))["status"] == "completed"


async def test_a_run_that_is_cancelled_before_its_turn_never_begins(
    make_harness: MakeHarness,
) -> None:
    gate = Gate()
    harness = await begun(await make_harness(["One.", gate], ["Three."]))
    thread = await harness.thread()
    first, second, third = [await harness.send(thread, text) for text in "abc"]
    await harness.bounded(gate.reached())
    await harness.cancel(second)
    gate.open()
    assert (await harness.ended(third))["status"] == "completed"
    assert (await harness.run(first))["status"] == "completed"
    assert (await harness.run(second))["started_at"] is None
    assert len(harness.provider.prompts) == 2


async def test_stop_keeps_the_text_and_lets_the_provider_go(make_harness: MakeHarness) -> None:
    gate = Gate()
    harness = await begun(await make_harness(["Prices ", gate]))
    run = await harness.send(await harness.thread())
    await harness.bounded(gate.reached())
    assert await harness.engine.abort(run.id)
    assert (await harness.ended(run))["status"] == "cancelled"
    assert (await harness.reply(run))["content"] == "Prices "
    await harness.until(lambda: harness.provider.unfinished == 1)
    assert not await harness.engine.abort(run.id)


async def test_stop_from_another_process_is_heard_of_at_once(make_harness: MakeHarness) -> None:
    """L4: what is ended is dropped by its notice; nobody looks by the clock here."""
    gate = Gate()
    harness = await begun(await make_harness(["Prices ", gate], sweep_interval_s=3600.0))
    other = await make_harness(sweep_interval_s=3600.0)
    run = await other.send(await other.thread())
    while not harness.provider.prompts:  # a call may be lost
        await harness.engine.sweep.sweep()
    await harness.bounded(gate.reached())
    await other.cancel(run)
    await harness.until(lambda: harness.provider.unfinished == 1)
    assert (await harness.run(run))["status"] == "cancelled"


async def test_an_ended_run_stays_as_it_is_whoever_calls_for_it(make_harness: MakeHarness) -> None:
    """L4: a call that comes late does nothing."""
    harness = await begun(await make_harness(["Prices rose."], ["Never."]))
    run = await harness.send(await harness.thread())
    ended = await harness.ended(run)
    for attempt in (1, 2, 2, 3):
        harness.engine.dispatch(run.id, attempt)
    after = await harness.send(await harness.thread())
    await harness.ended(after)
    assert await harness.run(run) == ended
    assert await attempts_of(harness, run) == [1]


async def test_a_run_that_sleeps_holds_nothing_and_goes_on_in_time(
    make_harness: MakeHarness,
) -> None:
    """L10: a time to wake."""
    harness = await make_harness()
    until_ms = harness.clock() + 3_600_000
    harness.provider.add(
        ["Wait. ", SleepChunk(until_ms=until_ms, reason="until the market opens")], ["Open."]
    )
    await begun(harness)
    run = await harness.send(await harness.thread())
    await harness.until_status(run, "waiting")
    await harness.until(lambda: harness.engine.active == 0)
    assert await harness.column(run, "owner") is None
    harness.engine.dispatch(run.id, 2)  # too early
    await harness.send(await harness.thread())
    harness.clock.advance(3_600_001)
    harness.engine.sweep.nudge()
    assert (await harness.ended(run))["status"] == "completed"
    assert (await harness.reply(run))["content"].startswith("Wait. ")


async def test_a_schedule_sends_when_its_time_comes_and_once(make_harness: MakeHarness) -> None:
    """L10, L11: of all who see it due one sends; what was missed is sent once."""
    harnesses = [await begun(await make_harness(provider=answerer())) for _ in range(2)]
    thread = await harnesses[0].thread()
    new = schedules.NewSchedule(content="the news", cron="0 7 * * *")
    await harnesses[0].store.write(
        lambda tx: schedules.create(tx, "local", thread.id, new), thread.pk
    )
    harnesses[0].clock.advance(3 * 24 * 3_600_000)
    for harness in harnesses:
        harness.engine.nudge()

    async def answers() -> list[str]:
        messages = (await harnesses[0].state(thread))["messages"]
        return [m["content"] for m in messages if m["status"] == "completed" and m["run_id"]]

    assert await harnesses[0].until(answers) == ["You said the news, and that is what you said."]
    assert len((await harnesses[0].state(thread))["messages"]) == 2


async def test_an_answered_question_makes_its_run_go_on(make_harness: MakeHarness) -> None:
    """L10: an open question; the answer and the call are one transaction."""
    harness = await begun(
        await make_harness(["Which? ", AskChunk(prompt="Which region?")], ["North."])
    )
    run = await harness.send(await harness.thread())
    await harness.until_status(run, "waiting")
    await harness.until(lambda: harness.engine.active == 0)
    part = next(p for p in (await harness.reply(run))["parts"] if p["kind"] == "input_request")
    await harness.store.write(
        lambda tx: answers.give_input(tx, run, "local", part["request_id"], "north"),
        run.thread.pk,
    )
    harness.engine.nudge()
    assert (await harness.ended(run))["status"] == "completed"
    assert texts(await harness.reply(run)) == ["Which? ", "input_request", "North."]


async def test_stopping_leaves_all_runs_due_and_another_process_goes_on(
    make_harness: MakeHarness,
) -> None:
    """L10: nothing is left `processing` by a process that ended in good order."""
    gate = Gate()
    going = await begun(
        await make_harness(provider=ScriptedProvider(default=lambda _: ["You ", gate]))
    )
    threads = [await going.thread() for _ in range(3)]
    runs = [await going.send(thread, "a") for thread in threads]
    await going.until(lambda: going.provider.active == 3)
    await going.engine.stop()
    for run in runs:
        assert (await going.run(run))["status"] == "pending"
        assert await going.column(run, "owner") is None
        assert await going.column(run, "crashes") == 0
    last = await begun(await make_harness(provider=answerer()))
    for run in runs:
        assert (await last.ended(run))["attempt"] == 2
        assert (await last.reply(run))["content"] == "You said a, and that is what you said."


async def test_a_dead_owners_run_goes_on_with_its_text(make_harness: MakeHarness) -> None:
    """L5, L10."""
    harness = await make_harness(["rose."])
    run = await harness.send(await harness.thread())
    await left_by(harness, run, "01dead", "Prices ")
    await begun(harness)
    state = await harness.ended(run)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert texts(await harness.reply(run)) == ["Prices ", "rose."]
    assert await harness.column(run, "crashes") == 1


async def test_a_living_owners_run_is_left_to_it(make_harness: MakeHarness) -> None:
    """L5, L10: it may be silent for long, but it lives."""
    gate = Gate()
    living = await begun(await make_harness(["Prices ", gate, "rose."]))
    run = await living.send(await living.thread())
    await living.bounded(gate.reached())
    other = await begun(await make_harness(["Never."], sweep_interval_s=0.05))
    beside = await other.send(await other.thread())
    await other.ended(beside)
    for _ in range(3):
        await other.engine.sweep.sweep()
        other.engine.dispatch(run.id, 2)
    gate.open()
    assert (await living.ended(run))["attempt"] == 1
    assert (await living.reply(run))["content"] == "Prices rose."


async def test_a_poison_run_fails_and_harms_no_other(make_harness: MakeHarness) -> None:
    """L10: it ends, and says why."""
    harness = await make_harness(provider=answerer(), max_crashes=3)
    poison = await harness.send(await harness.thread(), "poison")
    for number in range(3):
        await left_by(harness, poison, f"01dead{number}")
    fine = await harness.send(await harness.thread(), "fine")
    await begun(harness)
    state = await harness.ended(poison)
    assert (state["status"], state["error"]["code"]) == ("failed", "crashed_too_often")
    assert (await harness.ended(fine))["status"] == "completed"
    assert [prompt.turns[-1].text for prompt in harness.provider.prompts] == ["fine"]


async def test_an_attempt_that_was_fenced_writes_no_more_and_is_dropped(
    make_harness: MakeHarness,
) -> None:
    """L5: as after a lease that lapsed while the process was frozen."""
    gate = Gate()
    harness = await begun(
        await make_harness(["Prices ", gate, "fell."], ["rose."], sweep_interval_s=0.05)
    )
    run = await harness.send(await harness.thread())
    await harness.bounded(gate.reached())
    await left_by(harness, run, "01other", "really ", part=1)
    state = await harness.ended(run)  # the other one is dead, too
    gate.open()
    assert (state["status"], state["attempt"]) == ("completed", 3)
    await harness.until(lambda: harness.provider.active == 0)
    assert texts(await harness.reply(run)) == ["Prices ", "really ", "rose."]
    assert await attempts_of(harness, run) == [1, 2, 3]


async def test_no_more_than_max_active_runs_are_made_at_once(make_harness: MakeHarness) -> None:
    gate = Gate()
    provider = ScriptedProvider(default=lambda prompt: ["x", gate])
    harness = await begun(await make_harness(provider=provider, max_active_runs=2))
    runs = [await harness.send(await harness.thread()) for _ in range(5)]
    await harness.until(lambda: provider.active == 2)
    await harness.engine.sweep.sweep()
    assert harness.engine.active <= 2
    assert provider.active == 2
    gate.open()
    for run in runs:
        assert (await harness.ended(run))["status"] == "completed"


async def test_one_users_many_messages_do_not_hold_up_another_user(
    make_harness: MakeHarness,
) -> None:
    """Users take turns: who has more runs open waits behind who has fewer."""
    first, second = Gate(), Gate()
    harness = await begun(await make_harness([first], [second], max_active_runs=2))
    runs = [await harness.send(await harness.thread("ann")) for _ in range(2)]
    for gate in (first, second):
        await harness.bounded(gate.reached())
    runs += [await harness.send(await harness.thread("ann")) for _ in range(5)]
    runs.append(await harness.send(await harness.thread("bob"), "bob"))
    first.open()  # ann has one under way still
    await harness.ended(runs[-1])
    texts_before = [prompt.turns[-1].text for prompt in harness.provider.prompts[2:]]
    assert texts_before.index("bob") <= 1, texts_before
    second.open()
    for run in runs:
        assert (await harness.ended(run))["status"] == "completed"


async def test_one_user_has_no_more_than_its_share(make_harness: MakeHarness) -> None:
    gate = Gate()
    provider = ScriptedProvider(default=lambda prompt: ["x", gate])
    harness = await begun(await make_harness(provider=provider, max_active_runs_per_user=2))
    anns = [await harness.send(await harness.thread("ann")) for _ in range(4)]
    bobs = await harness.send(await harness.thread("bob"))
    await harness.until(lambda: provider.active == 3)
    held = await harness.store.read(_owned)
    assert held == {"ann": 2, "bob": 1}
    gate.open()
    for run in (*anns, bobs):
        assert (await harness.ended(run))["status"] == "completed"


def _owned(conn: Connection) -> dict[str, int]:
    sql = (
        "SELECT thread.owner, COUNT(*) FROM run JOIN thread ON thread.pk = run.thread "
        "WHERE run.owner IS NOT NULL GROUP BY thread.owner"
    )
    return {row[0]: row[1] for row in conn.exec_driver_sql(sql)}
