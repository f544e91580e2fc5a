"""The demo models: deterministic, paced by the clock they are given, exact after a cut."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    Answered,
    AskChunk,
    Chunk,
    EndChunk,
    Prompt,
    ReasoningChunk,
    SleepChunk,
    TextChunk,
    Turn,
    text_turn,
)
from jupyter_chat_stream.providers.demo import MODELS, DemoProvider, answer_to
from jupyter_chat_stream.providers.demo.failures import CODES
from jupyter_chat_stream.shared import errors

NAMES = [model.name for model in MODELS]


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps = 0

    async def sleep(self, delay_s: float) -> None:
        assert delay_s > 0
        self.now += delay_s
        self.naps += 1


def ask(model: str, *texts: str, **changes: Any) -> Prompt:
    turns: list[Turn] = []
    for text in texts or ("hello",):
        turns += [text_turn("user", text), text_turn("assistant", "…")]
    return Prompt(**{"model": model, "turns": tuple(turns[:-1]), **changes})


def said(*values: Any) -> tuple[Answered, ...]:
    return tuple(Answered(prompt="?", value=value, by="ada") for value in values)


async def collect(prompt: Prompt, provider: DemoProvider | None = None) -> list[Chunk]:
    provider = provider or DemoProvider(pace=0, now_s=lambda: 0.0)
    return [chunk async for chunk in provider.stream(prompt)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


@pytest.mark.parametrize("model", [name for name in NAMES if name != "fail"])
async def test_the_same_prompt_gives_the_same_chunks(model: str) -> None:
    prompt = ask(model, "one", "two", answers=said("autumn", "Ben"))
    chunks = await collect(prompt)
    assert chunks == await collect(prompt)
    assert isinstance(chunks[-1], EndChunk)
    assert text_of(chunks) == answer_to(prompt)


@pytest.mark.parametrize("model", [name for name in NAMES if name != "fail"])
async def test_an_answer_goes_on_exactly_after_a_cut_at_every_place(model: str) -> None:
    """What tests that kill the server stand on (L4, L6)."""
    params = {"chars": 500} if model == "long" else {}
    whole = answer_to(ask(model, params=params))
    for cut in range(len(whole) + 1):
        rest = await collect(ask(model, params=params, partial=whole[:cut]))
        assert whole[:cut] + text_of(rest) == whole, cut
        if cut:
            assert not any(isinstance(chunk, ReasoningChunk) for chunk in rest)


async def test_a_partial_text_of_another_model_is_answered_whole() -> None:
    assert text_of(await collect(ask("echo", "abc", partial="xyz"))) == "abc"


async def test_the_tour_takes_about_25_seconds_in_small_steps() -> None:
    clock = Clock()
    chunks = await collect(ask("tour"), DemoProvider(sleep=clock.sleep))
    assert 20 < clock.now < 30
    assert clock.naps > 300
    assert max(len(c.text) for c in chunks if isinstance(c, TextChunk)) <= 40


async def test_the_tour_shows_what_a_view_must_draw() -> None:
    text = answer_to(ask("tour"))
    assert text.startswith("*demo: canned.")
    assert 2_800 < len(text) < 4_500
    for sample in ("\n# ", "\n## ", "|:--|", "$$", "$c$", "```python", "\n1. ", "\n> "):
        assert sample in text
    for invitation in ("Reload", "Restart the kernel", "Kill the Jupyter server", "Stop"):
        assert invitation in text


@pytest.mark.parametrize(
    ("text", "sample"),
    [
        ("Show me a table, please", "| planet |"),
        ("some MATHS?", "$$"),
        ("python code!", "def primes"),
        ("what about reloads", "## Reloading"),
        ("the kernel", "## Kernels"),
        ("can I stop it", "## Stopping"),
        ("tell me a story", "message number 2"),
    ],
)
async def test_later_answers_follow_the_words_of_the_reader(text: str, sample: str) -> None:
    assert sample in answer_to(ask("tour", "hi", text))
    assert answer_to(ask("tour", text)) == answer_to(ask("tour", "hi"))


async def test_later_answers_know_how_many_came_before() -> None:
    answers = [answer_to(ask("tour", *["x"] * n)) for n in range(1, 7)]
    assert len(set(answers)) == 6
    assert "answer number 6" in answers[5]


async def test_every_demo_answer_is_labelled() -> None:
    for model in NAMES:
        if model not in ("echo", "long"):
            assert "demo: canned" in answer_to(ask(model))
    assert all("demo: canned" in model.label and model.canned for model in MODELS)


async def test_without_pace_nobody_sleeps_and_others_get_their_turn() -> None:
    async def never(delay_s: float) -> None:
        raise AssertionError("slept")

    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(count())
    await collect(ask("tour"), DemoProvider(sleep=never, pace=0))
    await collect(ask("fast"), DemoProvider(sleep=never))
    await collect(ask("long", params={"chars": 100_000}), DemoProvider(sleep=never))
    other.cancel()
    assert turns > 100


async def test_the_pace_can_be_told() -> None:
    clock = Clock()
    prompt = ask("long", params={"chars": 1000, "chars_per_second": 500, "chunk_chars": 10})
    chunks = await collect(prompt, DemoProvider(sleep=clock.sleep))
    assert clock.now == pytest.approx(2.0)
    assert clock.naps == 100
    assert all(len(c.text) == 10 for c in chunks if isinstance(c, TextChunk))


@pytest.mark.parametrize("chars", [0, 1, 17, 4096, 100_000])
async def test_long_is_exactly_as_long_as_asked(chars: int) -> None:
    text = answer_to(ask("long", params={"chars": chars}))
    assert len(text) == chars
    assert answer_to(ask("long", params={"chars": chars + 1000})).startswith(text)


async def test_echo_says_what_the_user_said() -> None:
    text = "ünïcode 👋\n\n$x$\n"
    assert text_of(await collect(ask("echo", "first", text))) == text
    assert text_of(await collect(ask("echo", ""))) == ""


async def test_thinking_comes_before_the_text() -> None:
    chunks = await collect(ask("thinking"))
    kinds = [type(chunk) for chunk in chunks]
    assert kinds[0] is ReasoningChunk
    assert kinds == sorted(kinds, key=[ReasoningChunk, TextChunk, EndChunk].index)


@pytest.mark.parametrize("code", sorted(CODES - {"stalled"}))
async def test_fail_fails_as_asked_and_after_what_was_asked(code: str) -> None:
    params = {"failure": code, "after_chars": 40, "retry_after_s": 3}
    chunks: list[Chunk] = []
    with pytest.raises(errors.ProviderError) as caught:
        async for chunk in DemoProvider(pace=0).stream(ask("fail", params=params)):
            chunks.append(chunk)
    assert caught.value.code == code
    assert caught.value.retry_after_s == 3
    assert text_of(chunks) == answer_to(ask("fail", params=params))[:40]


async def test_fail_goes_on_to_its_end_once_it_has_failed() -> None:
    params = {"failure": "stream_cut", "after_chars": 40}
    whole = answer_to(ask("fail", params=params))
    for cut in range(40, len(whole) + 1):
        rest = await collect(ask("fail", params=params, partial=whole[:cut]))
        assert whole[:cut] + text_of(rest) == whole
    with pytest.raises(errors.StreamCut):
        await collect(ask("fail", params=params, partial=whole[:39]))


async def test_fail_without_text_before_fails_every_time() -> None:
    for _ in range(2):
        with pytest.raises(errors.Overloaded):
            await collect(ask("fail", params={"failure": "overloaded"}))


async def test_a_stall_is_silent_until_it_is_left() -> None:
    task = asyncio.ensure_future(collect(ask("fail", params={"failure": "stalled"})))
    done, _ = await asyncio.wait({task}, timeout=0.05)
    assert not done
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_every_way_a_provider_fails_can_be_shown() -> None:
    def all_codes(cls: type[errors.ProviderError]) -> set[str]:
        return {cls.code}.union(*(all_codes(sub) for sub in cls.__subclasses__()))

    assert all_codes(errors.ProviderError) == CODES


async def test_a_limit_cuts_the_answer_and_says_so() -> None:
    chunks = await collect(ask("tour", max_tokens=10))
    assert len(text_of(chunks)) == 40
    assert isinstance(chunks[-1], EndChunk)
    assert chunks[-1].stop_reason == "max_tokens"
    rest = await collect(ask("tour", max_tokens=10, partial=text_of(chunks)[:25]))
    assert len(text_of(rest)) == 15


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("tour", {"colour": "blue"}),
        ("tour", {"chars": 3}),
        ("echo", {"failure": "overloaded"}),
        ("long", {"chars": -1}),
        ("long", {"chars": 2_000_001}),
        ("long", {"chars": 1.5}),
        ("long", {"chars": True}),
        ("long", {"chunk_chars": 0}),
        ("long", {"chars_per_second": "fast"}),
        ("long", {"chars_per_second": -1}),
        ("long", {"chars_per_second": float("nan")}),
        ("fail", {"failure": "explosion"}),
        ("fail", {"failure": None}),
        ("fail", {"failure": []}),
        ("fail", {"after_chars": -1}),
    ],
)
async def test_a_parameter_that_cannot_be_meant_is_refused(
    model: str, params: dict[str, Any]
) -> None:
    with pytest.raises(errors.BadRequest):
        await collect(ask(model, params=params))


async def test_there_are_no_other_demo_models() -> None:
    with pytest.raises(errors.NoSuchModel, match="demo/tour"):
        await collect(ask("tuor"))


# ---------------------------------------------------------------- asking and sleeping


@pytest.mark.parametrize("given", [(), ("autumn",), ("autumn", {"name": "Ben"})])
async def test_ask_goes_on_after_its_answers_at_every_place(given: tuple[Any, ...]) -> None:
    """It asks what has no answer yet, and says nothing twice."""
    prompt = ask("ask", answers=said(*given))
    whole = answer_to(prompt)
    for value in given:
        assert (value if isinstance(value, str) else '{"name": "Ben"}') in whole
    for cut in range(len(whole) + 1):
        chunks = await collect(ask("ask", answers=said(*given), partial=whole[:cut]))
        assert whole[:cut] + text_of(chunks) == whole, cut
        asked = [chunk for chunk in chunks if isinstance(chunk, AskChunk)]
        assert len(asked) == (len(given) < 2)
        assert chunks[-1] in asked or isinstance(chunks[-1], EndChunk)


async def test_ask_offers_choices_then_takes_any_text_for_as_long_as_it_is_told() -> None:
    first = (await collect(ask("ask")))[-1]
    second = (await collect(ask("ask", answers=said("x"), params={"expires_in_s": 5})))[-1]
    assert isinstance(first, AskChunk)
    assert isinstance(second, AskChunk)
    assert (len(first.choices or ()), first.expires_in_s) == (4, None)
    assert (second.choices, second.expires_in_s) == (None, 5.0)


async def test_a_long_answer_is_shown_short() -> None:
    assert len(answer_to(ask("ask", answers=said("x" * 10_000, "y" * 10_000)))) < 2000


@pytest.mark.parametrize(
    ("params", "until_ms"),
    [
        ({}, 1_010_000),
        ({"wait_s": 0.5}, 1_000_500),
        ({"wait_s": 0}, 1_000_000),
        ({"until": "1970-01-01T01:00:02+01:00"}, 2000),
    ],
)
async def test_wait_sleeps_until_the_same_time_in_every_attempt(
    params: dict[str, Any], until_ms: int
) -> None:
    for partial in ("", answer_to(ask("wait"))[:30]):
        prompt = ask("wait", params=params, begun_at_ms=1_000_000, partial=partial)
        slept = [chunk for chunk in await collect(prompt) if isinstance(chunk, SleepChunk)]
        assert [chunk.until_ms for chunk in slept] == [until_ms]


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("wait", {"wait_s": -1}),
        ("wait", {"wait_s": None, "until": "tomorrow"}),
        ("wait", {"until": "2030-01-01T00:00:00"}),
        ("wait", {"until": 7}),
        ("ask", {"expires_in_s": 0}),
        ("ask", {"wait_s": 1}),
    ],
)
async def test_a_pause_that_cannot_be_meant_is_refused(model: str, params: Any) -> None:
    with pytest.raises(errors.BadRequest):
        await collect(ask(model, params=params))
