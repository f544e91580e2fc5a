"""The benchmarks' own providers reach a server as a third party's do: by entry points."""

from __future__ import annotations

from pathlib import Path

ENTRY_POINTS = """[jupyter_chat_stream.providers]
flowing = benchmarks.flowing:FlowingProvider
stamps = benchmarks.stamps:StampProvider
"""


def install(folder: Path) -> Path:
    """Make a folder that, on the path, brings the providers; gives it back."""
    info = folder / "chat_stream_benchmarks-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: chat-stream-benchmarks\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder
