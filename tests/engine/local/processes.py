"""Other processes that hold runs, and what such a process leaves behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from jupyter_chat_stream.shared.events import Delta
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.transaction import RunRef
from tests.run_harness import RunHarness

HOLD_A_LOCK = """
import sys
from pathlib import Path
from jupyter_chat_stream.engine.holders import FileHolders
FileHolders(Path(sys.argv[1]), sys.argv[2]).lock()
print("held", flush=True)
sys.stdin.read()
"""


class OtherProcess:
    """A process that holds a holder's lock and does nothing."""

    def __init__(self, folder: Path, holder: str) -> None:
        self.holder = holder
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLD_A_LOCK, str(folder), holder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"held\n"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


async def left_by(harness: RunHarness, holder: str, said: str = "Prices ") -> RunRef:
    """A run that another process works on and has said something of."""
    run = await harness.send(await harness.thread())
    claimed = await harness.claim(holder)
    delta = Delta(part=0, kind="text", text=said)
    append = Append(run=run, attempt=claimed.attempt, bodies=(delta,))
    await asyncio.wrap_future(harness.store.append_future(append))
    return run
