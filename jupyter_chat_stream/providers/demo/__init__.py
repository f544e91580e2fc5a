"""The demo provider: prepared answers that need no key, no network and no model.

It is for the first five minutes, the notebooks and the tests. Each answer is a pure function of the
prompt. With `Prompt.partial`, the provider sends the rest of the same text, so that a test which
kills the server can check every character. The labels of the models say "demo: canned". The demo
never replaces another model.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import aclosing

from ...shared.errors import NoSuchModel
from ...shared.json_objects import JsonView
from ...shared.spelling import did_you_mean
from ..base import (
    AskChunk,
    Chunk,
    EndChunk,
    Model,
    Prompt,
    Provider,
    ReasoningChunk,
    TextChunk,
)
from . import answers, components, failures, files, joined, pausing, tools
from .params import DemoParams, parameters_of, parse

CHARS_PER_TOKEN = 4
# After this many chunks, a stream without a pace lets other tasks run.
CHUNKS_PER_TURN = 32

TOUR_CHARS_PER_S = 120.0  # the first answer lasts about 25 seconds
# Models that are not listed have no pace.
_PACES = {
    "joined": joined.CHARS_PER_S,
    "tour": TOUR_CHARS_PER_S,
    "thinking": 200.0,
    "tools": 200.0,
}

PAUSING = ("ask", "wait")
INPUT_CHUNK_CHARS = 8  # the length of a chunk of a tool call's input

_WORD = re.compile(r"\s*\S+\s?|\s+")


def create() -> DemoProvider:
    """Make the provider for the server (the entry point)."""
    return DemoProvider()


def _model(name: str, label: str, *can: str) -> Model:
    return Model(
        name=name,
        label=f"demo: canned ({label})",
        context_tokens=1_000_000,
        max_output_tokens=500_000,
        can=can,
        canned=True,
        parameters=parameters_of(name),
    )


MODELS = (
    _model("tour", "a tour of this chat"),
    _model("fast", "the tour, all at once"),
    _model("echo", "says what you said"),
    _model("thinking", "thinks first", "reasoning"),
    _model("tools", "calls your tools", "tools"),
    _model("files", "reads your files", "images", "documents"),
    _model("long", "as long as you like"),
    _model("joined", "goes on without you"),
    _model("fail", "fails as you like"),
    _model("ask", "asks you two questions"),
    _model("wait", "waits, then goes on"),
)


class DemoProvider(Provider):
    """Streams prepared answers.

    Args:
        sleep: waits between two chunks, for a time in seconds; a test passes its own clock.
        pace: multiplies every delay; 0 never waits.
        now_s: returns the time in seconds since 1970.
    """

    name = "demo"

    def __init__(
        self,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pace: float = 1.0,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._sleep = sleep
        self._now_s = now_s
        self._pace = pace

    def models(self) -> tuple[Model, ...]:
        return MODELS

    def model(self, name: str) -> Model:
        for model in MODELS:
            if model.name == name:
                return model
        model_ids = [f"demo/{model.name}" for model in MODELS]
        hint = did_you_mean(f"demo/{name}", model_ids)
        raise NoSuchModel(
            f"There is no model 'demo/{name}'.{hint} There are: {', '.join(model_ids)}.",
            model=f"demo/{name}",
        )

    def is_ready(self) -> bool:
        return True  # the demo needs no key

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        self.model(prompt.model)
        params = parse(prompt.model, prompt.params)
        if prompt.model == "joined":
            async with aclosing(self._stream_joined(prompt, params)) as joined_chunks:
                async for joined_chunk in joined_chunks:
                    yield joined_chunk
            return
        for count, chunk in enumerate(_chunks(prompt, params)):
            if isinstance(chunk, failures.Fails):
                await chunk.happen()
            else:
                await self._wait_for(chunk, prompt, params, count)
                yield chunk

    async def _stream_joined(
        self, prompt: Prompt, params: DemoParams
    ) -> AsyncGenerator[Chunk, None]:
        whole = answer_to(prompt)
        existing_chars = _existing_chars(prompt, whole)
        pace = self._chars_per_s(prompt, params) / self._pace if self._pace else 0.0
        upstream = joined.stream(
            lambda after: list(_pieces(whole[after:], params.chunk_chars)),
            prompt,
            existing_chars=existing_chars,
            chars_per_s=pace,
            joinable_s=params.joinable_s,
            now_s=self._now_s,
            wait=self._sleep,
        )
        async with aclosing(upstream) as chunks:
            async for chunk in chunks:
                yield chunk
        yield _end(prompt, whole, whole[existing_chars:])

    async def stop_upstream(self, handle: JsonView) -> None:
        """Do nothing: the upstream of ``demo/joined`` is only a function of the time."""

    def _chars_per_s(self, prompt: Prompt, params: DemoParams) -> float:
        chars_per_s = params.chars_per_second
        return _PACES.get(prompt.model, 0.0) if chars_per_s is None else chars_per_s

    async def _wait_for(self, chunk: Chunk, prompt: Prompt, params: DemoParams, count: int) -> None:
        chars_per_s = self._chars_per_s(prompt, params)
        text = getattr(chunk, "text", "")
        if self._pace and chars_per_s and text:
            await self._sleep(self._pace * len(text) / chars_per_s)
        elif count % CHUNKS_PER_TURN == CHUNKS_PER_TURN - 1:
            await asyncio.sleep(0)


def answer_to(prompt: Prompt) -> str:
    """Return the whole text of the answer to a prompt, including its partial text.

    For ``demo/ask``, this is the text up to the first unanswered question.
    """
    params = parse(prompt.model, prompt.params)
    if components.is_asked(prompt):
        return components.text(prompt)
    if prompt.model in PAUSING:
        return _text_of(pausing.script(prompt, params))
    text = _text(prompt, params)
    if prompt.max_tokens is not None:
        return text[: prompt.max_tokens * CHARS_PER_TOKEN]
    return text


def _text(prompt: Prompt, params: DemoParams) -> str:
    if prompt.model == "files":
        return files.describe(prompt)
    if prompt.model == "tools":
        return tools.text(prompt)
    return answers.text(prompt, params.chars)


def _chunks(prompt: Prompt, params: DemoParams) -> Iterator[Chunk | failures.Fails]:
    if prompt.model in PAUSING and not components.is_asked(prompt):
        yield from _pausing_chunks(prompt, params)
        return
    whole = answer_to(prompt)
    existing_chars = _existing_chars(prompt, whole)
    rest = whole[existing_chars:]
    if prompt.model == "thinking" and not existing_chars:
        for piece in _pieces(answers.THOUGHTS, params.chunk_chars):
            yield ReasoningChunk(text=piece)
    if prompt.model == "fail" and not components.is_asked(prompt):
        yield from _failing_chunks(rest, existing_chars, params)
    else:
        yield from (TextChunk(text=piece) for piece in _pieces(rest, params.chunk_chars))
    if _calls_tools(prompt, whole):
        yield from tools.calls(prompt, params.chunk_chars or INPUT_CHUNK_CHARS)
    yield _end(prompt, whole, rest)


def _pausing_chunks(prompt: Prompt, params: DemoParams) -> Iterator[Chunk]:
    steps = pausing.script(prompt, params)
    whole = _text_of(steps)
    existing_chars = _existing_chars(prompt, whole)
    skipped_chars = 0
    for step in steps:
        if isinstance(step, str):
            chars = min(existing_chars - skipped_chars, len(step))
            skipped_chars += chars
            yield from (
                TextChunk(text=piece) for piece in _pieces(step[chars:], params.chunk_chars)
            )
        else:
            yield step
            if isinstance(step, AskChunk):
                return
    yield _end(prompt, whole, whole[existing_chars:])


def _existing_chars(prompt: Prompt, whole: str) -> int:
    """Return how many characters of the answer exist; 0 if another model has written them."""
    return len(prompt.partial) if whole.startswith(prompt.partial) else 0


def _text_of(steps: Iterable[pausing.DemoStep]) -> str:
    return "".join(step for step in steps if isinstance(step, str))


def _failing_chunks(
    rest: str, existing_chars: int, params: DemoParams
) -> Iterator[Chunk | failures.Fails]:
    """Fail after `after_chars` of the answer, unless an earlier attempt has got that far."""
    until = max(0, params.after_chars - existing_chars)
    for piece in _pieces(rest[:until], params.chunk_chars):
        yield TextChunk(text=piece)
    if not params.after_chars or existing_chars < params.after_chars:
        yield failures.Fails(code=params.failure, retry_after_s=params.retry_after_s)
    for piece in _pieces(rest[until:], params.chunk_chars):
        yield TextChunk(text=piece)


def _is_cut(prompt: Prompt, whole: str) -> bool:
    """Return whether the answer ends at its length limit."""
    return prompt.max_tokens is not None and len(whole) == prompt.max_tokens * CHARS_PER_TOKEN


def _calls_tools(prompt: Prompt, whole: str) -> bool:
    if prompt.model != "tools" or components.is_asked(prompt):
        return False
    return not _is_cut(prompt, whole) and tools.has_calls(prompt)


def _end(prompt: Prompt, whole: str, rest: str) -> EndChunk:
    reason = "max_tokens" if _is_cut(prompt, whole) else "end_turn"
    reason = "tool_use" if _calls_tools(prompt, whole) else reason
    prompt_chars = sum(len(turn.text) for turn in prompt.turns) + len(prompt.system or "")
    return EndChunk(
        stop_reason=reason,
        model=prompt.model,
        usage={
            "input_tokens": prompt_chars // CHARS_PER_TOKEN + 1,
            "output_tokens": len(rest) // CHARS_PER_TOKEN + 1,
            "cache_read_tokens": 0,
            "cache_write_tokens": 0,
        },
    )


def _pieces(text: str, chunk_chars: int | None) -> Iterator[str]:
    """Cut a text into words, or into pieces of a given length."""
    if chunk_chars is None:
        yield from _WORD.findall(text)
    else:
        for start in range(0, len(text), chunk_chars):
            yield text[start : start + chunk_chars]
