"""A provider that says what was said to it, as far as the test has let it.

So that a test can act in the middle of an answer on a machine of any speed. It reaches the
server as a third party's does: by an entry point. `Tap` is the test's end: a file that holds how
many characters may have come.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from jupyter_chat_stream.providers.base import Chunk, EndChunk, Model, Prompt, Provider, TextChunk

MODEL = "held/echo"
ALL = 1_000_000
LOOK_S = 0.01
CHUNK_S = 0.005
ENTRY_POINTS = "[jupyter_chat_stream.providers]\nheld = tests.e2e.held:create\n"
METADATA = "Metadata-Version: 2.1\nName: held\nVersion: 1.0\n"
_USAGE = {"input_tokens": 1, "output_tokens": 1, "cache_read_tokens": 0, "cache_write_tokens": 0}


def install(folder: Path) -> None:
    """Make a folder that, on the path, brings the provider."""
    info = folder / "held-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)


class Tap:
    """Lets an answer through, so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.open(0)

    @property
    def params(self) -> dict[str, Any]:
        """What to send along with the message."""
        return {"tap": str(self._path)}

    def open(self, chars: int = ALL) -> None:
        """Let so many characters of the answer through; all of it by default."""
        draft = self._path.with_suffix(".new")
        draft.write_text(str(chars))
        draft.replace(self._path)


def words(count: int, in_paragraph: int = 30) -> str:
    """Make a text in which no word comes twice: a gap or a repetition cannot hide in it."""
    numbered = [f"w{number:04d}" for number in range(count)]
    paragraphs = [
        " ".join(numbered[start : start + in_paragraph]) for start in range(0, count, in_paragraph)
    ]
    return "\n\n".join(paragraphs)


def create() -> HeldProvider:
    return HeldProvider()


class HeldProvider(Provider):
    """Streams what the user said last."""

    name = "held"

    def models(self) -> tuple[Model, ...]:
        return (
            Model(
                name="echo",
                label="says what you said (canned)",
                context_tokens=1_000_000,
                max_output_tokens=500_000,
                canned=True,
            ),
        )

    def is_ready(self) -> bool:
        return True

    async def warm(self) -> None:
        """There is nothing heavy."""

    async def close(self) -> None:
        """There are no connections."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        whole = next(turn.text for turn in reversed(prompt.turns) if turn.role == "user")
        tap = Path(prompt.params["tap"]) if "tap" in prompt.params else None
        said = len(prompt.partial)
        for piece in re.findall(r"\s*\S+", whole[said:]):
            said += len(piece)
            # The test is another process: there is no event to wait for.
            while tap is not None and int(tap.read_text()) < said:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
            await asyncio.sleep(CHUNK_S)
            yield TextChunk(text=piece)
        yield EndChunk(stop_reason="end_turn", model=prompt.model, usage=_USAGE)
