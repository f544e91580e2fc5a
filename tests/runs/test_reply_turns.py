"""What a model reads of replies that have called tools: whole rounds, within the budget."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_chat_stream.providers.base import (
    Model,
    Prompt,
    ReasoningBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from jupyter_chat_stream.runs.context import CHARS_PER_TOKEN, Gathered, draft_prompt
from jupyter_chat_stream.runs.reply_turns import CUT_MARK, MIN_RESULT_CHARS
from jupyter_chat_stream.shared.errors import PromptTooLong
from jupyter_chat_stream.shared.parts import CUT, NOT_MADE
from jupyter_chat_stream.store.front import ProviderData
from tests.runs.rounds import (
    Parts,
    call,
    consent,
    ids_of,
    result,
    returned,
    say,
    think,
    used,
)

TOOLS = ({"name": "sql", "description": "", "input_schema": {"type": "object"}},)
LARGE = 100_000


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts), "model": None}


def reply(*parts: Any, run: str = "run", **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "parts": list(parts), "model": "e/m", "run_id": run, **fields}


def prompt_of(
    *branch: dict[str, Any],
    so_far: Parts | None = None,
    tokens: int = LARGE,
    tools: Sequence[Mapping[str, Any]] = TOOLS,
    data: Mapping[str, list[ProviderData]] | None = None,
) -> Prompt:
    """Make the prompt of a run whose reply has the parts ``so_far``."""
    model = Model(name="m", label="M", context_tokens=tokens, max_output_tokens=tokens // 10)
    made: Any = reply(*(so_far or []))
    gathered = Gathered(
        reply=made,
        branch=branch,
        systems=(),
        provider_data=data or {},
        tools=tools,  # type: ignore[arg-type]
    )
    return draft_prompt(gathered, model, {}, "e").with_files({})


def turns_of(prompt: Prompt) -> list[tuple[str, tuple[Any, ...]]]:
    return [(turn.role, turn.blocks) for turn in prompt.turns]


def text(value: str) -> TextBlock:
    return TextBlock(text=value)


def told(part: int, value: str) -> ProviderData:
    return ProviderData(endpoint="e", part=part, data={"said": value})


def thought(value: str) -> ReasoningBlock:
    return ReasoningBlock(data={"said": value})


# ------------------------------------------------------------------------- rounds become turns


def test_a_round_is_an_assistants_turn_and_a_users_turn_of_results() -> None:
    parts = [say("I look."), call("a", q="1"), call("b", q="2"), result("b", 2), result("a", 1)]
    prompt = prompt_of(user(say("Sum?")), so_far=parts)
    assert turns_of(prompt) == [
        ("user", (text("Sum?"),)),
        ("assistant", (text("I look."), used("a", q="1"), used("b", q="2"))),
        ("user", (returned("a", 1), returned("b", 2))),
    ]
    assert prompt.partial == ""


def test_what_came_after_the_last_result_is_the_partial_text() -> None:
    """An attempt that died in round two goes on there, and repeats no call (L12)."""
    parts = [say("I look."), call("a"), consent("a"), result("a"), think("hm"), say("It is ")]
    prompt = prompt_of(user(say("Sum?")), so_far=parts)
    assert prompt.partial == "It is "
    assert [role for role, _ in turns_of(prompt)] == ["user", "assistant", "user"]
    assert prompt.answers == (), "a consent is no question of the provider"


def test_rounds_of_earlier_replies_are_read_again_with_what_was_said_after_them() -> None:
    parts = [call("a"), result("a"), say("One."), call("b"), result("b", "no", success=False)]
    prompt = prompt_of(user(say("Sum?")), reply(*parts, say("Two.")), user(say("And?")))
    assert turns_of(prompt) == [
        ("user", (text("Sum?"),)),
        ("assistant", (used("a"),)),
        ("user", (returned("a"),)),
        ("assistant", (text("One."), used("b"))),
        ("user", (returned("b", "no", success=False),)),
        ("assistant", (text("Two."),)),
        ("user", (text("And?"),)),
    ]


def test_results_stand_before_the_next_message_of_the_person() -> None:
    """An answer that ended after its results leaves two turns of the user side by side."""
    stopped = reply(call("a"), result("a"))
    prompt = prompt_of(user(say("Sum?")), stopped, user(say("Go on.")))
    assert turns_of(prompt)[2] == ("user", (returned("a"), text("Go on.")))


def test_a_stopped_reply_is_marked_after_its_results() -> None:
    stopped = reply(call("a"), result("a"), status="cancelled", stop_reason=None)
    prompt = prompt_of(user(say("Sum?")), stopped, user(say("Go on.")))
    mark = "[The reader stopped this reply here.]"
    assert turns_of(prompt)[3] == ("assistant", (text(mark),))


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"executor": "kernel"}, CUT),
        ({"executor": None}, CUT),
        ({"allowed": {}}, NOT_MADE),
        ({}, NOT_MADE),
    ],
    ids=["claimed", "opened again", "allowed", "never allowed"],
)
def test_the_model_is_told_whether_a_call_without_a_result_may_have_begun(
    facts: dict[str, Any], told: str
) -> None:
    """L14: in an answer that ended; also by too many rounds, which nobody was asked about."""
    ended = reply(say("I look."), {**call("a"), **facts}, call("b"), result("b"))
    prompt = prompt_of(user(say("Sum?")), ended, user(say("And?")))
    results = turns_of(prompt)[2][1]
    assert results[:2] == (returned("a", told, success=False), returned("b"))


def test_a_call_that_is_still_open_is_left_out() -> None:
    prompt = prompt_of(user(say("Sum?")), so_far=[call("a"), call("b"), result("b")])
    assert turns_of(prompt)[1:] == [("assistant", (used("b"),)), ("user", (returned("b"),))]


def test_a_call_whose_input_was_cut_off_is_none() -> None:
    cut = {"kind": "tool_call", "text": '{"q": '}
    prompt = prompt_of(
        user(say("Sum?")), so_far=[say("I "), cut, say("look."), call("a"), result("a")]
    )
    assert turns_of(prompt)[1] == ("assistant", (text("I \n\nlook."), used("a")))


def test_tools_of_the_provider_itself_stay_text() -> None:
    parts = [say("I look."), call("web", where=None), result("web"), say("Found.")]
    prompt = prompt_of(user(say("Sum?")), reply(*parts), user(say("And?")))
    assert turns_of(prompt)[1] == ("assistant", (text("I look.\n\nFound."),))
    so_far = prompt_of(user(say("Sum?")), so_far=parts)
    assert so_far.partial == "I look.\n\nFound."


def test_reasoning_goes_back_before_the_calls_that_it_led_to() -> None:
    """Anthropic checks the signature of thinking in a loop of tool calls."""
    parts = [think("t1"), call("a"), result("a"), think("t2"), say("So: "), call("b"), result("b")]
    data = {"run": [told(0, "t1"), told(3, "t2"), told(5, "t3")]}
    prompt = prompt_of(user(say("Sum?")), so_far=parts, data=data)
    assert [blocks for _, blocks in turns_of(prompt)[1:]] == [
        (thought("t1"), used("a")),
        (returned("a"),),
        (thought("t2"), text("So: "), used("b"), thought("t3")),
        (returned("b"),),
    ]


def test_hidden_reasoning_after_a_result_belongs_to_the_next_round() -> None:
    """Redacted thinking has no part of its own: it is kept with the part before it."""
    parts = [call("a"), result("a"), call("b"), result("b")]
    data = {"run": [told(-1, "t1"), told(1, "t2"), told(3, "t3")]}
    prompt = prompt_of(user(say("Sum?")), so_far=parts, data=data)
    assert [blocks for _, blocks in turns_of(prompt)[1:]] == [
        (thought("t1"), used("a")),
        (returned("a"),),
        (thought("t2"), used("b")),
        (returned("b"),),
    ]


def test_without_tools_calls_and_results_are_text() -> None:
    """The APIs refuse blocks of tools in a request that defines none."""
    ended = reply(say("I look."), call("a", q="<b>"), result("a", {"n": 1}), say("One."))
    prompt = prompt_of(user(say("Sum?")), ended, user(say("And?")), tools=())
    assert [(role, len(blocks)) for role, blocks in turns_of(prompt)] == [
        ("user", 1),
        ("assistant", 1),
        ("user", 1),
        ("assistant", 1),
        ("user", 1),
    ]
    assert 'I called the tool \'sql\' with this input: {"q": "<b>"}' in prompt.turns[1].text
    assert '<tool_result name="sql">\n{"n": 1}\n</tool_result>' in prompt.turns[2].text


# ---------------------------------------------------------------------------------- the budget


def test_an_old_large_result_is_shortened_before_a_turn_is_left_out() -> None:
    ended = reply(call("a"), result("a", "x" * 20_000), say("Long."))
    prompt = prompt_of(user(say("Sum?")), ended, user(say("And?" + "y" * 22_000)), tokens=10_000)
    (old,) = prompt.turns[2].blocks
    assert isinstance(old, ToolResultBlock)
    assert old.output == "x" * MIN_RESULT_CHARS + f"\n{CUT_MARK}"
    assert prompt.turns[0].text == "Sum?"


def test_one_result_takes_at_most_a_quarter_of_the_context() -> None:
    prompt = prompt_of(user(say("?")), so_far=[call("a"), result("a", "x" * 500_000)])
    (block,) = prompt.turns[2].blocks
    assert isinstance(block, ToolResultBlock)
    assert 60_000 < len(block.output) < LARGE * CHARS_PER_TOKEN / 4
    assert block.output.endswith(CUT_MARK)


def test_many_large_results_of_one_answer_fit_because_the_oldest_are_shortened() -> None:
    """A long loop of calls goes on within the model's context."""
    parts = [it for n in range(40) for it in (call(f"c{n}"), result(f"c{n}", "x" * 60_000))]
    prompt = prompt_of(user(say("Sum?")), so_far=parts)
    sizes = [
        len(b.output) for t in prompt.turns for b in t.blocks if isinstance(b, ToolResultBlock)
    ]
    assert len(sizes) == 40
    assert sizes[0] < 2_000
    assert sizes[-1] == 60_000
    assert sizes == sorted(sizes)


def test_a_prompt_that_no_shortening_makes_fit_is_refused() -> None:
    parts = [it for n in range(40) for it in (call(f"c{n}", q="x" * 5_000), result(f"c{n}"))]
    with pytest.raises(PromptTooLong):
        prompt_of(user(say("Sum?")), so_far=parts, tokens=10_000)


def test_a_result_whose_call_was_cut_from_the_prompt_goes_with_it() -> None:
    ended = reply(call("a", q="z" * 20_000), result("a"))
    prompt = prompt_of(user(say("Sum?")), ended, user(say("And?")), tokens=5_000)
    assert turns_of(prompt) == [("user", (text("And?"),))]


def test_the_definitions_of_tools_count_against_the_budget() -> None:
    big = ({**TOOLS[0], "description": "d" * 20_000},)
    branch = user(say("x" * 5_000)), reply(say("b")), user(say("c"))
    assert len(prompt_of(*branch, tokens=9_000).turns) == 3
    assert len(prompt_of(*branch, tokens=9_000, tools=big).turns) == 1


# -------------------------------------------------------------------------------- by chance

SMALL = st.text(alphabet="ab \n", max_size=40)
OUTPUT = st.one_of(
    st.integers(), st.lists(st.text(max_size=5)), st.text(alphabet="xy", max_size=6_000)
)


@st.composite
def replies(draw: st.DrawFn, name: str) -> Parts:
    """Draw the parts of a reply: rounds in which some results are missing, and other parts."""
    parts: Parts = []
    for number in range(draw(st.integers(0, 4))):
        parts += [think(draw(SMALL))] if draw(st.booleans()) else []
        parts += [say(draw(SMALL))] if draw(st.booleans()) else []
        own = [f"{name}-{number}-{n}" for n in range(draw(st.integers(0, 3)))]
        parts += [call(id_, q=draw(SMALL)) for id_ in own]
        if draw(st.booleans()):
            parts += [call(f"{name}-{number}-p", where=None), result(f"{name}-{number}-p")]
        parts += [consent(id_) for id_ in own if draw(st.booleans())]
        done = [id_ for id_ in own if draw(st.integers(0, 9)) or number]
        parts += [result(id_, draw(OUTPUT)) for id_ in draw(st.permutations(done))]
        if done != own:
            break
    return parts + ([say(draw(SMALL))] if draw(st.booleans()) else [])


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[dict[str, Any]], Parts]:
    branch: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 4))):
        branch.append(user(say(draw(SMALL))))
        status = draw(st.sampled_from(["completed", "cancelled", "interrupted"]))
        parts = draw(replies(f"r{number}"))
        branch.append(reply(*parts, run=f"r{number}", status=status, stop_reason="end_turn"))
    branch.append(user(say(f"q{draw(SMALL)}")))
    return branch, draw(replies("now"))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(conversations(), st.sampled_from([700, 1_500, 4_000, LARGE]), st.booleans())
def test_every_prompt_is_one_that_the_apis_take(
    conversation: tuple[list[dict[str, Any]], Parts], tokens: int, has_tools: bool
) -> None:
    """First a person's turn, roles in turn, no call without its result, within the budget."""
    branch, so_far = conversation
    try:
        prompt = prompt_of(*branch, so_far=so_far, tokens=tokens, tools=TOOLS if has_tools else ())
    except PromptTooLong:
        assert tokens < LARGE
        return
    turns = prompt.turns
    assert turns[0].role == "user"
    assert not ids_of(turns[0].blocks, ToolResultBlock)
    assert turns[-1].role == "user"
    assert all(one.role != other.role for one, other in pairwise(turns))
    for one, other in pairwise(turns):
        assert ids_of(one.blocks, ToolUseBlock) == ids_of(other.blocks, ToolResultBlock)
        results = len(ids_of(other.blocks, ToolResultBlock))
        assert all(isinstance(block, ToolResultBlock) for block in other.blocks[:results])
    assert not ids_of(turns[-1].blocks, ToolUseBlock)
    if not has_tools:
        assert all(isinstance(block, TextBlock) for turn in turns for block in turn.blocks)
    assert prompt.turns[-1].blocks
    size = sum(len(getattr(b, "text", "")) for t in turns for b in t.blocks)
    spare = len(json.dumps(TOOLS)) + 200 if has_tools else 200
    assert size + len(prompt.partial) <= tokens * CHARS_PER_TOKEN + spare
