"""What every engine keeps, on its database: sentences about runs, not about how they are called."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from jupyter_chat_stream.providers.base import AskChunk, Prompt, SleepChunk
from jupyter_chat_stream.shared.events import Delta
from jupyter_chat_stream.store.chat import commands, schedules
from jupyter_chat_stream.store.chat.claims import claim, find_one
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.transaction import Connection, RunRef, ThreadRef, Transaction
from jupyter_chat_stream.testing import Gate, ScriptedProvider, answering
from tests.fixtures import MakeRig
from tests.rig import Rig, texts


def answer_to(prompt: Prompt) -> str:
    return f"You said {prompt.turns[-1].text}, and that is what you said."


def answerer(**settings: Any) -> ScriptedProvider:
    return ScriptedProvider(default=answering(answer_to, **settings))


async def begun(rig: Rig) -> Rig:
    await rig.engine.start()
    return rig


async def left_by(rig: Rig, run: RunRef, owner: str, said: str = "", part: int = 0) -> None:
    """Let another process take a run, say something of it, and be heard of no more."""

    def take(tx: Transaction) -> int:
        due = find_one(tx.conn, run.id)
        assert due is not None
        claimed = claim(tx, due, owner, max_crashes=100, on_crash="continue")
        assert claimed is not None
        return claimed.attempt

    attempt = await rig.store.write(take, run.thread.pk)
    if said:
        delta = Delta(part=part, kind="text", text=said)
        append = Append(run=run, attempt=attempt, bodies=(delta,))
        await asyncio.wrap_future(rig.store.appended(append))


async def ends_of(rig: Rig, threads: Sequence[ThreadRef]) -> Counter[str]:
    """Count each run's ends in the log."""
    ends: Counter[str] = Counter()
    for thread in threads:
        for event in await rig.events(thread):
            if event.type == "finalized":
                assert event.run_id is not None
                ends[event.run_id] += 1
    return ends


async def attempts_of(rig: Rig, run: RunRef) -> list[int]:
    """Give the attempts that wrote of a run, in the order of the log."""
    found = [e.attempt for e in await rig.events(run.thread) if e.run_id == run.id and e.attempt]
    return list(dict.fromkeys(found))


async def test_every_run_of_many_threads_ends_once_in_its_turn_with_its_text(
    make_rig: MakeRig,
) -> None:
    """L4, L10."""
    rig = await begun(await make_rig(provider=answerer()))
    threads = [await rig.thread() for _ in range(6)]
    runs = [await rig.send(thread, f"{n}") for n in range(3) for thread in threads]
    for run in runs:
        assert (await rig.ended(run))["status"] == "completed"
    assert await ends_of(rig, threads) == {run.id: 1 for run in runs}
    for thread in threads:
        replies = [m for m in (await rig.state(thread))["messages"] if m["role"] == "assistant"]
        assert [m["content"] for m in replies] == [
            f"You said {n}, and that is what you said." for n in range(3)
        ]
        begun_in = [e.run_id for e in await rig.events(thread) if e.attempt == 1]
        assert list(dict.fromkeys(begun_in)) == [m["run_id"] for m in replies]


async def test_a_run_is_made_once_though_two_processes_look_for_it(make_rig: MakeRig) -> None:
    """L5: of all who try, one gets it; the others' calls do nothing."""
    rigs = [await begun(await make_rig(provider=answerer())) for _ in range(2)]
    threads = [await rigs[0].thread() for _ in range(6)]
    runs = [await rigs[n % 2].send(thread) for n, thread in enumerate(threads)]
    for rig in rigs:
        rig.engine.sweep.nudge()
    for run in runs:
        assert (await rigs[0].ended(run))["status"] == "completed"
        assert await attempts_of(rigs[0], run) == [1]
    assert sum(len(rig.provider.prompts) for rig in rigs) == len(runs)


async def test_what_was_due_before_the_start_is_made(make_rig: MakeRig) -> None:
    rig = await make_rig(["Prices rose."])
    run = await rig.send(await rig.thread())
    await begun(rig)
    assert (await rig.ended(run))["status"] == "completed"


async def test_a_run_that_is_cancelled_before_its_turn_never_begins(make_rig: MakeRig) -> None:
    gate = Gate()
    rig = await begun(await make_rig(["One.", gate], ["Three."]))
    thread = await rig.thread()
    first, second, third = [await rig.send(thread, text) for text in "abc"]
    await rig.bounded(gate.reached())
    await rig.cancel(second)
    gate.open()
    assert (await rig.ended(third))["status"] == "completed"
    assert (await rig.run(first))["status"] == "completed"
    assert (await rig.run(second))["started_at"] is None
    assert len(rig.provider.prompts) == 2


async def test_stop_keeps_the_text_and_lets_the_provider_go(make_rig: MakeRig) -> None:
    gate = Gate()
    rig = await begun(await make_rig(["Prices ", gate]))
    run = await rig.send(await rig.thread())
    await rig.bounded(gate.reached())
    assert await rig.engine.abort(run.id)
    assert (await rig.ended(run))["status"] == "cancelled"
    assert (await rig.reply(run))["content"] == "Prices "
    await rig.until(lambda: rig.provider.left == 1)
    assert not await rig.engine.abort(run.id)


async def test_stop_from_another_process_is_heard_of_at_once(make_rig: MakeRig) -> None:
    """L4: what is ended is dropped by its notice; nobody looks by the clock here."""
    gate = Gate()
    rig = await begun(await make_rig(["Prices ", gate], sweep_interval_s=3600.0))
    other = await make_rig(sweep_interval_s=3600.0)
    run = await other.send(await other.thread())
    while not rig.provider.prompts:  # a call may be lost
        await rig.engine.sweep.sweep()
    await rig.bounded(gate.reached())
    await other.cancel(run)
    await rig.until(lambda: rig.provider.left == 1)
    assert (await rig.run(run))["status"] == "cancelled"


async def test_an_ended_run_stays_as_it_is_whoever_calls_for_it(make_rig: MakeRig) -> None:
    """L4: a call that comes late does nothing."""
    rig = await begun(await make_rig(["Prices rose."], ["Never."]))
    run = await rig.send(await rig.thread())
    ended = await rig.ended(run)
    for attempt in (1, 2, 2, 3):
        rig.engine.dispatch(run.id, attempt)
    after = await rig.send(await rig.thread())
    await rig.ended(after)
    assert await rig.run(run) == ended
    assert await attempts_of(rig, run) == [1]


async def test_a_run_that_sleeps_holds_nothing_and_goes_on_in_time(make_rig: MakeRig) -> None:
    """L10: a time to wake."""
    rig = await make_rig()
    until_ms = rig.clock() + 3_600_000
    rig.provider.add(
        ["Wait. ", SleepChunk(until_ms=until_ms, reason="until the market opens")], ["Open."]
    )
    await begun(rig)
    run = await rig.send(await rig.thread())
    await rig.until_status(run, "waiting")
    await rig.until(lambda: rig.engine.active == 0)
    assert await rig.column(run, "owner") is None
    rig.engine.dispatch(run.id, 2)  # too early
    await rig.send(await rig.thread())
    rig.clock.advance(3_600_001)
    rig.engine.sweep.nudge()
    assert (await rig.ended(run))["status"] == "completed"
    assert (await rig.reply(run))["content"].startswith("Wait. ")


async def test_a_schedule_sends_when_its_time_comes_and_once(make_rig: MakeRig) -> None:
    """L10, L11: of all who see it due one sends; what was missed is sent once."""
    rigs = [await begun(await make_rig(provider=answerer())) for _ in range(2)]
    thread = await rigs[0].thread()
    new = schedules.NewSchedule(content="the news", cron="0 7 * * *")
    await rigs[0].store.write(lambda tx: schedules.create(tx, "local", thread.id, new), thread.pk)
    rigs[0].clock.advance(3 * 24 * 3_600_000)
    for rig in rigs:
        rig.engine.nudge()

    async def answers() -> list[str]:
        messages = (await rigs[0].state(thread))["messages"]
        return [m["content"] for m in messages if m["status"] == "completed" and m["run_id"]]

    assert await rigs[0].until(answers) == ["You said the news, and that is what you said."]
    assert len((await rigs[0].state(thread))["messages"]) == 2


async def test_an_answered_question_makes_its_run_go_on(make_rig: MakeRig) -> None:
    """L10: an open question; the answer and the call are one transaction."""
    rig = await begun(await make_rig(["Which? ", AskChunk(prompt="Which region?")], ["North."]))
    run = await rig.send(await rig.thread())
    await rig.until_status(run, "waiting")
    await rig.until(lambda: rig.engine.active == 0)
    part = next(p for p in (await rig.reply(run))["parts"] if p["kind"] == "input_request")
    await rig.store.write(
        lambda tx: commands.give_input(tx, run, "local", part["request_id"], "north"),
        run.thread.pk,
    )
    rig.engine.nudge()
    assert (await rig.ended(run))["status"] == "completed"
    assert texts(await rig.reply(run)) == ["Which? ", "input_request", "North."]


async def test_stopping_leaves_all_runs_due_and_another_process_goes_on(make_rig: MakeRig) -> None:
    """L10: nothing is left `processing` by a process that ended in good order."""
    gate = Gate()
    going = await begun(await make_rig(provider=ScriptedProvider(default=lambda _: ["You ", gate])))
    threads = [await going.thread() for _ in range(3)]
    runs = [await going.send(thread, "a") for thread in threads]
    await going.until(lambda: going.provider.active == 3)
    await going.engine.stop()
    for run in runs:
        assert (await going.run(run))["status"] == "pending"
        assert await going.column(run, "owner") is None
        assert await going.column(run, "crashes") == 0
    last = await begun(await make_rig(provider=answerer()))
    for run in runs:
        assert (await last.ended(run))["attempt"] == 2
        assert (await last.reply(run))["content"] == "You said a, and that is what you said."


async def test_a_dead_owners_run_goes_on_with_its_text(make_rig: MakeRig) -> None:
    """L5, L10."""
    rig = await make_rig(["rose."])
    run = await rig.send(await rig.thread())
    await left_by(rig, run, "01dead", "Prices ")
    await begun(rig)
    state = await rig.ended(run)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert texts(await rig.reply(run)) == ["Prices ", "rose."]
    assert await rig.column(run, "crashes") == 1


async def test_a_living_owners_run_is_left_to_it(make_rig: MakeRig) -> None:
    """L5, L10: it may be silent for long, but it lives."""
    gate = Gate()
    living = await begun(await make_rig(["Prices ", gate, "rose."]))
    run = await living.send(await living.thread())
    await living.bounded(gate.reached())
    other = await begun(await make_rig(["Never."], sweep_interval_s=0.05))
    beside = await other.send(await other.thread())
    await other.ended(beside)
    for _ in range(3):
        await other.engine.sweep.sweep()
        other.engine.dispatch(run.id, 2)
    gate.open()
    assert (await living.ended(run))["attempt"] == 1
    assert (await living.reply(run))["content"] == "Prices rose."


async def test_a_poison_run_fails_and_harms_no_other(make_rig: MakeRig) -> None:
    """L10: it ends, and says why."""
    rig = await make_rig(provider=answerer(), max_crashes=3)
    poison = await rig.send(await rig.thread(), "poison")
    for number in range(3):
        await left_by(rig, poison, f"01dead{number}")
    fine = await rig.send(await rig.thread(), "fine")
    await begun(rig)
    state = await rig.ended(poison)
    assert (state["status"], state["error"]["code"]) == ("failed", "crashed_too_often")
    assert (await rig.ended(fine))["status"] == "completed"
    assert [prompt.turns[-1].text for prompt in rig.provider.prompts] == ["fine"]


async def test_an_attempt_that_was_fenced_writes_no_more_and_is_dropped(make_rig: MakeRig) -> None:
    """L5: as after a lease that lapsed while the process was frozen."""
    gate = Gate()
    rig = await begun(await make_rig(["Prices ", gate, "fell."], ["rose."], sweep_interval_s=0.05))
    run = await rig.send(await rig.thread())
    await rig.bounded(gate.reached())
    await left_by(rig, run, "01other", "really ", part=1)
    state = await rig.ended(run)  # the other one is dead, too
    gate.open()
    assert (state["status"], state["attempt"]) == ("completed", 3)
    await rig.until(lambda: rig.provider.active == 0)
    assert texts(await rig.reply(run)) == ["Prices ", "really ", "rose."]
    assert await attempts_of(rig, run) == [1, 2, 3]


async def test_no_more_than_max_active_runs_are_made_at_once(make_rig: MakeRig) -> None:
    gate = Gate()
    provider = ScriptedProvider(default=lambda prompt: ["x", gate])
    rig = await begun(await make_rig(provider=provider, max_active_runs=2))
    runs = [await rig.send(await rig.thread()) for _ in range(5)]
    await rig.until(lambda: provider.active == 2)
    await rig.engine.sweep.sweep()
    assert rig.engine.active <= 2
    assert provider.active == 2
    gate.open()
    for run in runs:
        assert (await rig.ended(run))["status"] == "completed"


async def test_one_users_many_messages_do_not_hold_up_another_user(make_rig: MakeRig) -> None:
    """Users take turns: who has more runs open waits behind who has fewer."""
    first, second = Gate(), Gate()
    rig = await begun(await make_rig([first], [second], max_active_runs=2))
    runs = [await rig.send(await rig.thread("ann")) for _ in range(2)]
    for gate in (first, second):
        await rig.bounded(gate.reached())
    runs += [await rig.send(await rig.thread("ann")) for _ in range(5)]
    runs.append(await rig.send(await rig.thread("bob"), "bob"))
    first.open()  # ann has one under way still
    await rig.ended(runs[-1])
    texts_before = [prompt.turns[-1].text for prompt in rig.provider.prompts[2:]]
    assert texts_before.index("bob") <= 1, texts_before
    second.open()
    for run in runs:
        assert (await rig.ended(run))["status"] == "completed"


async def test_one_user_has_no_more_than_its_share(make_rig: MakeRig) -> None:
    gate = Gate()
    provider = ScriptedProvider(default=lambda prompt: ["x", gate])
    rig = await begun(await make_rig(provider=provider, max_active_runs_per_user=2))
    anns = [await rig.send(await rig.thread("ann")) for _ in range(4)]
    bobs = await rig.send(await rig.thread("bob"))
    await rig.until(lambda: provider.active == 3)
    held = await rig.store.read(_owned)
    assert held == {"ann": 2, "bob": 1}
    gate.open()
    for run in (*anns, bobs):
        assert (await rig.ended(run))["status"] == "completed"


def _owned(conn: Connection) -> dict[str, int]:
    sql = (
        "SELECT thread.owner, COUNT(*) FROM run JOIN thread ON thread.pk = run.thread "
        "WHERE run.owner IS NOT NULL GROUP BY thread.owner"
    )
    return {row[0]: row[1] for row in conn.exec_driver_sql(sql)}
