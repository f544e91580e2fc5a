"""A provider that repeats the user's message, as far as the test allows.

With it, a test can act in the middle of an answer on a machine of any speed. The server finds the
provider by an entry point, as it finds a third party's. The test holds an `AnswerGate`: a file
with the number of characters that the provider may send.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from jupyter_chat_stream.providers.base import Chunk, EndChunk, Model, Prompt, Provider, TextChunk

MODEL = "gated/echo"
ALL = 1_000_000
LOOK_S = 0.01
CHUNK_S = 0.005
ENTRY_POINTS = "[jupyter_chat_stream.providers]\ngated = tests.e2e.gated_provider:create\n"
METADATA = "Metadata-Version: 2.1\nName: gated\nVersion: 1.0\n"
_USAGE = {"input_tokens": 1, "output_tokens": 1, "cache_read_tokens": 0, "cache_write_tokens": 0}


def install(folder: Path) -> None:
    """Make a folder that, on the path, brings the provider."""
    info = folder / "gated-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)


class AnswerGate:
    """Lets an answer through, so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.open(0)

    @property
    def params(self) -> dict[str, Any]:
        """What to send along with the message."""
        return {"gate": str(self._path)}

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


def create() -> GatedProvider:
    return GatedProvider()


class GatedProvider(Provider):
    """Streams what the user said last."""

    name = "gated"

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
        gate = Path(prompt.params["gate"]) if "gate" in prompt.params else None
        said = len(prompt.partial)
        for piece in re.findall(r"\s*\S+", whole[said:]):
            said += len(piece)
            # The test is another process: there is no event to wait for.
            while gate is not None and int(gate.read_text()) < said:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
            await asyncio.sleep(CHUNK_S)
            yield TextChunk(text=piece)
        usage = {**_USAGE, **prompt.params.get("usage", {})}
        yield EndChunk(stop_reason="end_turn", model=prompt.model, usage=usage)
