"""The benchmarks' own providers reach a server as a third party's do: by entry points."""

from __future__ import annotations

from pathlib import Path

from jupyter_chat_stream.providers.base import Model, Provider

ENTRY_POINTS = """[jupyter_chat_stream.providers]
calls = benchmarks.calling:CallingProvider
flowing = benchmarks.flowing:FlowingProvider
stamps = benchmarks.stamps:StampProvider
"""


class OneModelProvider(Provider):
    """A provider of one model, without a key or a connection."""

    model_name = "model"

    def models(self) -> tuple[Model, ...]:
        name = self.model_name
        return (Model(name=name, label=name, context_tokens=1_000_000, max_output_tokens=500_000),)

    def is_ready(self) -> bool:
        return True

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


def install(folder: Path) -> Path:
    """Fill a folder that brings the providers when it is on the path; return it."""
    info = folder / "chat_stream_benchmarks-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: chat-stream-benchmarks\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder
