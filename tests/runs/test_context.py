"""What a model gets to read: the branch, within the budget, newest whole turns first."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.providers.base import Model, Prompt, Tool
from jupyter_chat_stream.runs.context import (
    ANSWER_TOKENS,
    CHARS_PER_TOKEN,
    Gathered,
    draft_prompt,
    gather,
)
from jupyter_chat_stream.shared.errors import BadRequest, PromptTooLong
from jupyter_chat_stream.store.chat.threads import write_preferences
from jupyter_chat_stream.store.log.transaction import RunRef
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness

MODEL = Model(name="m", label="M", context_tokens=1000, max_output_tokens=100)
BUDGET_CHARS = int((1000 - 100) * CHARS_PER_TOKEN)


def message(role: str, *texts: str, attachments: dict[str, str] | None = None) -> dict[str, Any]:
    attached = [
        {"kind": "attachment", "name": name, "text": text}
        for name, text in (attachments or {}).items()
    ]
    return {"role": role, "parts": [*attached, *({"kind": "text", "text": t} for t in texts)]}


def prompt_of(
    *branch: dict[str, Any],
    systems: tuple[str, ...] = (),
    partial: tuple[str, ...] = (),
    **params: Any,
) -> Prompt:
    gathered = Gathered(reply=message("assistant", *partial), branch=branch, systems=systems)
    return draft_prompt(gathered, MODEL, params).with_files({})


def said(prompt: Prompt) -> list[tuple[str, str]]:
    return [(turn.role, turn.text) for turn in prompt.turns]


# ---------------------------------------------------------------- making the prompt


def test_the_branch_becomes_turns_in_order() -> None:
    prompt = prompt_of(message("user", "a"), message("assistant", "b", "c"), message("user", "d"))
    assert said(prompt) == [("user", "a"), ("assistant", "bc"), ("user", "d")]
    assert (prompt.model, prompt.partial, prompt.system) == ("m", "", None)


def test_what_is_too_much_is_left_out_by_whole_turns_oldest_first() -> None:
    long = "x" * (BUDGET_CHARS // 2)
    prompt = prompt_of(
        message("user", long),
        message("assistant", "b"),
        message("user", long),
        message("assistant", "d"),
        message("user", "e"),
    )
    assert said(prompt) == [("user", long), ("assistant", "d"), ("user", "e")]


def test_a_turn_that_fits_to_the_character_is_kept() -> None:
    rest = "x" * (BUDGET_CHARS - len("be") - 1)
    branch = message("user", rest), message("assistant", "b"), message("user", "ee")
    assert said(prompt_of(*branch))[0] == ("user", rest)
    branch = message("user", rest + "x"), message("assistant", "b"), message("user", "ee")
    assert said(prompt_of(*branch)) == [("user", "ee")]


def test_a_prompt_never_begins_with_an_answer_whose_question_did_not_fit() -> None:
    prompt = prompt_of(
        message("user", "x" * BUDGET_CHARS), message("assistant", "b"), message("user", "c")
    )
    assert said(prompt) == [("user", "c")]


def test_system_and_partial_count_against_the_budget() -> None:
    half = "x" * (BUDGET_CHARS // 2)
    fits = prompt_of(message("user", half), message("assistant", "b"), message("user", "c"))
    assert len(fits.turns) == 3
    less = prompt_of(
        message("user", half), message("assistant", "b"), message("user", "c"), systems=(half, "y")
    )
    assert len(less.turns) == 1
    less = prompt_of(
        message("user", half), message("assistant", "b"), message("user", "c"), partial=(half, "y")
    )
    assert len(less.turns) == 1
    assert less.partial == half + "y"


def test_a_message_longer_than_the_model_reads_is_refused() -> None:
    with pytest.raises(PromptTooLong, match="1000 tokens"):
        prompt_of(message("user", "a"), message("assistant", "b"), message("user", "x" * 3000))


def test_neighbours_of_one_role_are_joined_and_empty_messages_left_out() -> None:
    """An answer that failed without a word leaves two messages of the user side by side."""
    prompt = prompt_of(
        message("user", "a"),
        message("assistant"),
        message("user", "b"),
        message("assistant", "  \n"),
        message("user", "c"),
        message("assistant", "d"),
        message("user", "e"),
    )
    assert said(prompt) == [("user", "a\n\nb\n\nc"), ("assistant", "d"), ("user", "e")]


def test_what_was_sent_along_is_read_before_the_content() -> None:
    prompt = prompt_of(message("user", "Why?", attachments={"df.csv": "a,b\n1,2"}))
    assert said(prompt) == [("user", '<attachment name="df.csv">\na,b\n1,2\n</attachment>\n\nWhy?')]


def test_only_text_is_said_again() -> None:
    answer = {
        "role": "assistant",
        "parts": [
            {"kind": "reasoning", "text": "hm"},
            {"kind": "text", "text": "b"},
            {"kind": "tool_call", "tool_call_id": "c", "name": "n", "input": {}},
        ],
    }
    prompt = prompt_of(message("user", "a"), answer, message("user", "c"))
    assert said(prompt)[1] == ("assistant", "b")


@pytest.mark.parametrize(("turns", "marked"), [(1, [0]), (3, [0, 2]), (5, [2, 4]), (7, [4, 6])])
def test_the_newest_turn_and_the_one_a_former_prompt_ended_with_are_marked_for_caching(
    turns: int, marked: list[int]
) -> None:
    branch = [message("user" if n % 2 == 0 else "assistant", str(n)) for n in range(turns)]
    prompt = prompt_of(*branch)
    assert [n for n, turn in enumerate(prompt.turns) if turn.cache] == marked


def test_max_tokens_is_taken_out_of_the_params_and_bounded_by_the_model() -> None:
    branch = message("user", "a")
    assert prompt_of(branch).max_tokens == 100
    assert prompt_of(branch, params={"max_tokens": 7, "x": 1}).max_tokens == 7
    assert prompt_of(branch, params={"max_tokens": 7, "x": 1}).params == {"x": 1}
    assert prompt_of(branch, params={"max_tokens": 1000}).max_tokens == 100
    tools = [{"name": "sql", "input_schema": {}}]
    assert prompt_of(branch, tools=tools).tools == (Tool(name="sql", input_schema={}),)


@pytest.mark.parametrize(
    ("choice", "later"),
    [
        ({"type": "any"}, None),
        ({"type": "tool", "name": "sql"}, None),
        ({"type": "auto"}, {"type": "auto"}),
        ({"type": "none"}, {"type": "none"}),
    ],
)
def test_a_tool_is_forced_in_the_first_round_only(
    choice: dict[str, str], later: dict[str, str] | None
) -> None:
    call = {"kind": "tool_call", "tool_call_id": "1", "name": "sql", "input": {}, "where": "kernel"}
    result = {"kind": "tool_result", "tool_call_id": "1", "name": "sql", "success": True}
    params = {"params": {"tool_choice": choice}}
    for parts, expected in (([], choice), ([call, {**result, "output": "3"}], later)):
        reply: dict[str, Any] = {"role": "assistant", "parts": parts}
        gathered = Gathered(reply=reply, branch=[message("user", "a")], systems=())
        prompt = draft_prompt(gathered, MODEL, params).with_files({})
        assert prompt.params.get("tool_choice") == expected


def test_a_model_of_long_answers_keeps_most_of_its_budget_for_the_context() -> None:
    model = Model(name="l", label="L", context_tokens=200_000, max_output_tokens=128_000)
    long = message("user", "x" * int(150_000 * CHARS_PER_TOKEN))
    gathered = Gathered(reply=message("assistant"), branch=(long,), systems=())
    assert draft_prompt(gathered, model, {}).base.max_tokens == ANSWER_TOKENS
    with pytest.raises(PromptTooLong):  # who asks for the whole length gets less context
        draft_prompt(gathered, model, {"params": {"max_tokens": 128_000}})


def test_a_canned_answer_is_not_cut_unless_a_length_is_asked_for() -> None:
    model = Model(
        name="l", label="L", context_tokens=1_000_000, max_output_tokens=500_000, canned=True
    )
    gathered = Gathered(reply=message("assistant"), branch=(message("user", "a"),), systems=())
    assert draft_prompt(gathered, model, {}).base.max_tokens == 500_000
    assert draft_prompt(gathered, model, {"params": {"max_tokens": 7}}).base.max_tokens == 7


@pytest.mark.parametrize("wrong", ["many", None, -1, 0, [1], True])
def test_a_max_tokens_that_is_no_number_of_tokens_is_refused(wrong: Any) -> None:
    with pytest.raises(BadRequest, match="max_tokens"):
        prompt_of(message("user", "a"), params={"max_tokens": wrong})


def test_systems_are_joined_widest_first() -> None:
    prompt = prompt_of(message("user", "a"), systems=("everywhere", "mine", "here"))
    assert prompt.system == "everywhere\n\nmine\n\nhere"


# ---------------------------------------------------------------- gathering from the store


async def gathered(harness: RunHarness, run: RunRef, system: str | None = None) -> Gathered:
    return await gather(harness.chat_store, run, system)


def branch_texts(found: Gathered) -> list[str]:
    return ["".join(part["text"] for part in m["parts"]) for m in found.branch]


async def test_the_branch_follows_parents_and_not_the_order_of_events(
    make_harness: MakeHarness,
) -> None:
    harness = await make_harness(["1"], ["2"], ["3"])
    thread = await harness.thread()
    first = await harness.send(thread, "a")
    await harness.execute()
    second = await harness.send(thread, "b")
    await harness.execute()
    again = await harness.send(thread, "b, again", parent_id=first.message_id)
    assert branch_texts(await gathered(harness, second)) == ["a", "1", "b"]
    assert branch_texts(await gathered(harness, again)) == ["a", "1", "b, again"]
    await harness.execute()
    assert [turn.text for turn in harness.provider.prompts[-1].turns] == ["a", "1", "b, again"]


async def test_an_explicit_root_begins_anew(make_harness: MakeHarness) -> None:
    harness = await make_harness(["1"])
    thread = await harness.thread()
    await harness.send(thread, "a")
    await harness.execute()
    run = await harness.send(thread, "b", parent_id=None)
    assert branch_texts(await gathered(harness, run)) == ["b"]


async def test_the_reply_is_folded_to_the_end_of_the_log(make_harness: MakeHarness) -> None:
    """What an attempt goes on from is what the log has, not what the row was last saved with."""
    harness = await make_harness(["Prices ", RuntimeError("x")])
    run = await harness.send(await harness.thread(), "a")
    await harness.execute()
    sql = f"UPDATE message SET parts = '[]', seq = 3 WHERE pk = {run.message_pk}"
    await harness.store.write(lambda tx: tx.execute(sql))
    found = await gathered(harness, run)
    assert found.reply["content"] == "Prices "
    await harness.store.write(
        lambda tx: tx.settle(run)
    )  # and the row can be had again from the log


async def test_the_systems_that_apply_are_the_servers_the_users_and_the_threads(
    make_harness: MakeHarness,
) -> None:
    harness = await make_harness()
    await harness.store.write(lambda tx: write_preferences(tx, "local", {"system": "mine"}))
    await harness.store.write(lambda tx: write_preferences(tx, "another", {"system": "not mine"}))
    run = await harness.send(await harness.thread(system="here"), "a")
    assert (await gathered(harness, run, "everywhere")).systems == ("everywhere", "mine", "here")
    plain = await harness.send(await harness.thread(owner="third"), "a")
    assert (await gathered(harness, plain)).systems == ()
