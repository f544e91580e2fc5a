"""Run a fake API as a process, which prints its address and ends on SIGTERM or SIGINT.

``GET /_requests`` lists the requests so far. ``POST /_queue`` adds answers, ``POST /_release``
continues held answers, ``POST /_hurry`` sends answers without their pace. With ``--api openai``,
``GET /_responses`` lists the responses with their texts and the cursors at which clients joined
them, and ``POST /_expire`` forgets them.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from .fake_anthropic import from_script
from .fake_openai import from_chat_script


def main(arguments: list[str] | None = None) -> int:
    """Serve until the process gets a signal."""
    parser = argparse.ArgumentParser(prog="python -m jupyter_chat_stream.testing")
    parser.add_argument("--port", type=int, default=0, help="default 0: a free port")
    parser.add_argument("--script", type=Path, help='JSON: {"default": {…}, "queue": [{…}, …]}')
    apis = {"anthropic": from_script, "openai": from_chat_script}
    parser.add_argument("--api", choices=apis, default="anthropic")
    options = parser.parse_args(arguments)
    script = json.loads(options.script.read_text("utf-8")) if options.script else {}
    stop_event = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop_event.set())
    with apis[options.api](script, options.port) as fake:
        sys.stdout.write(fake.url + "\n")
        sys.stdout.flush()
        stop_event.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
