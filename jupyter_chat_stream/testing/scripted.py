"""A provider without a network that executes a test's scripts.

A script is a list of steps. A text or a chunk is yielded, an exception is raised, a `Gate` holds
the stream until the test opens it, and `STALL` is silent until the stream is closed. A script
without an `EndChunk` gets a normal end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from ..providers.base import Chunk, EndChunk, Model, Prompt, Provider, TextChunk
from ..shared.errors import ProviderError


class Gate:
    """Holds streams until any thread opens it; then it stays open."""

    def __init__(self) -> None:
        self._open_future: Future[None] = Future()
        self._reached_future: Future[None] = Future()

    def open(self) -> None:
        """Open the gate for all current and later streams."""
        _resolve(self._open_future)

    async def pass_through(self) -> None:
        """Wait until the gate is open."""
        _resolve(self._reached_future)
        await _wait(self._open_future)

    async def reached(self) -> None:
        """Wait until a stream has reached the gate."""
        await _wait(self._reached_future)

    def wait_reached(self, timeout_s: float = 10.0) -> None:
        """Wait until a stream has reached the gate, in a thread without a loop."""
        try:
            self._reached_future.result(timeout_s)
        except TimeoutError:
            raise TimeoutError(f"no stream reached the gate within {timeout_s} s") from None


class _Stall:
    """A step that is silent until the stream is closed."""


STALL = _Stall()
ScriptStep = str | Chunk | BaseException | Gate | _Stall
Script = Sequence[ScriptStep]


class ScriptedProvider(Provider):
    """Streams the scripts in order, then scripts that `default` makes from the prompt.

    Args:
        scripts: the scripts of the next streams; `add` appends more.
        default: makes the script of a stream when no script is left.
        name: the provider's name, the part before the slash.

    Attributes:
        prompts: every prompt so far, in order.
        active: the number of running streams.
        unfinished: the number of streams that were closed before their end.
    """

    def __init__(
        self,
        *scripts: Script,
        default: Callable[[Prompt], Script] | None = None,
        name: str = "scripted",
        is_ready: bool = True,
    ) -> None:
        self.name = name
        self.prompts: list[Prompt] = []
        self.active = 0
        self.unfinished = 0
        self.is_closed = False
        self._scripts = deque(scripts)
        self._default = default or answering("Hello from a script.")
        self._is_ready = is_ready

    def add(self, *scripts: Script) -> None:
        """Append scripts for the next streams."""
        self._scripts.extend(scripts)

    def models(self) -> tuple[Model, ...]:
        """List the only model; other names work, too."""
        return (self.model("model"),)

    def model(self, name: str) -> Model:
        return Model(
            name=name,
            label=f"{self.name} {name}",
            context_tokens=100_000,
            max_output_tokens=8_192,
            can=("reasoning", "tools"),
        )

    def is_ready(self) -> bool:
        return self._is_ready

    async def close(self) -> None:
        """Remember that the provider was closed."""
        self.is_closed = True

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Execute the next script."""
        self.prompts.append(prompt)
        script = self._scripts.popleft() if self._scripts else self._default(prompt)
        self.active += 1
        is_through = False
        try:
            for step in script:
                chunk = await _do(step)
                if chunk is not None:
                    is_through = isinstance(chunk, EndChunk)
                    yield chunk
            if not is_through:
                is_through = True
                yield EndChunk(stop_reason="end_turn", model=prompt.model, usage=_USAGE)
        except ProviderError:
            is_through = True
            raise
        finally:
            self.active -= 1
            self.unfinished += not is_through


def answering(
    text: str | Callable[[Prompt], str], chunk_chars: int = 5, end: Iterable[ScriptStep] = ()
) -> Callable[[Prompt], Script]:
    """Make scripts that stream a text, without the partial text of the prompt.

    Args:
        text: the text, or a function that makes it from the prompt.
        chunk_chars: the length of a chunk.
        end: steps after the text.
    """

    def script(prompt: Prompt) -> Script:
        whole = text if isinstance(text, str) else text(prompt)
        rest = whole.removeprefix(prompt.partial)
        pieces = [rest[i : i + chunk_chars] for i in range(0, len(rest), chunk_chars)]
        return [*pieces, *end]

    return script


_USAGE = {"input_tokens": 1, "output_tokens": 1, "cache_read_tokens": 0, "cache_write_tokens": 0}


async def _do(step: ScriptStep) -> Chunk | None:
    if isinstance(step, Gate):
        await step.pass_through()
        return None
    if isinstance(step, _Stall):
        await asyncio.get_running_loop().create_future()
        return None
    if isinstance(step, BaseException):
        raise step
    return TextChunk(text=step) if isinstance(step, str) else step


def _resolve(future: Future[None]) -> None:
    with suppress(InvalidStateError):  # it was resolved before
        future.set_result(None)


async def _wait(future: Future[None]) -> None:
    if not future.done():
        # A waiter that is cancelled must not cancel the future of all.
        await asyncio.shield(asyncio.wrap_future(future))
