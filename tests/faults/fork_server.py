"""Forks processes that need not import anything any more: a start takes a third of a second.

What is forked is the whole Jupyter server with the chat as its only extension, the whole command
``jupyter chat-stream``, or a kernel (kernel_process.py): a real process, killed like one. The
arguments name other modules to import, in place of those of servers and workers. Orders come as
JSON lines on stdin: ``{"argv", "environment", "log", "program", "fault"}`` is answered with the new
process's id, ``{"reap": id}`` waits for its end and is answered with how it ended. The end of stdin
ends everything that is left.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

IMPORTS = (
    "jupyter_server.serverapp",
    "jupyter_chat_stream.server.extension",
    "jupyter_chat_stream.server.bodies",
    "jupyter_chat_stream.service",
    "jupyter_chat_stream.providers.anthropic",
    "jupyter_chat_stream.providers.demo",
    "aiohttp",
    "anthropic",
    "anthropic.resources.messages",
    "tests.faults.process_faults",
)
EXTRAS = (
    "psycopg",
    "psycopg.types.string",
    "sqlalchemy.dialects.postgresql.psycopg",
    "procrastinate",
)


def main() -> None:
    for name in sys.argv[1:] or IMPORTS:
        import_module(name)
    for name in EXTRAS:
        with suppress(ImportError):
            import_module(name)
    living: set[int] = set()
    _say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        if "reap" in order:
            _, status = os.waitpid(order["reap"], 0)
            living.discard(order["reap"])
            _say(os.waitstatus_to_exitcode(status))
            continue
        pid = os.fork()
        if pid == 0:
            _become(order)
        living.add(pid)
        _say(pid)
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _become(order: dict[str, Any]) -> None:
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(order["environment"])
    for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if folder and folder not in sys.path:
            sys.path.insert(0, folder)
    if order["fault"]:
        from tests.faults.process_faults import PROCESS_FAULTS

        PROCESS_FAULTS[order["fault"]]()
    if order["program"] == "kernel":
        import_module("tests.faults.kernel_process").main()
    elif order["program"] == "server":
        _become_a_server(order["argv"])
    else:
        _command(order["argv"])
    os._exit(0)


def _become_a_server(argv: list[str]) -> None:
    from jupyter_server.serverapp import ServerApp

    server = ServerApp.instance()
    server.initialize(argv=argv, find_extensions=False)
    server.start()


def _command(argv: list[str]) -> None:
    sys.argv = ["jupyter-chat-stream", *argv]
    code: Any = 1
    try:
        runpy.run_module("jupyter_chat_stream", run_name="__main__", alter_sys=False)
        code = 0
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
