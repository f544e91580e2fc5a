"""Run benchmarks, write ``benchmarks/results.md``: ``python -m benchmarks [names] [--quick]``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time

from .report import Section, write

MODULES = {
    "a": "durability",
    "b": "sdk",
    "c": "opening",
    "d": "bytes_written",
    "e": "startup",
    "f": "browser",
    "g": "crowd",
    "h": "workers",
    "i": "waiting",
    "j": "starting",
    "k": "neighbours",
    "l": "databases",
    "m": "rendering",
    "n": "freezing",
    "o": "listing",
    "p": "endpoints",
    "q": "uploading",
    "r": "retention",
    "s": "sending",
    "t": "searching",
    "u": "long_thread",
    "v": "memory",
    "w": "lab_start",
    "x": "tool_calls",
    "y": "printing",
}


def main(arguments: list[str] | None = None) -> int:
    """Run what was named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of: {_choices()}; none: all")
    parser.add_argument("--quick", action="store_true", help="small loads, and nothing is written")
    given = parser.parse_args(arguments)
    by_word = {word: letter for letter, word in MODULES.items()}
    names = [by_word.get(name, name) for name in given.names] or list(MODULES)
    unknown = sorted(set(names) - set(MODULES))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {_choices()}")
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as home:
        isolate(home)
        for name in names:
            section = run(name, quick=given.quick)
            if not given.quick:  # at once: a later one may fail
                write([section])
    return 0


def run(name: str, *, quick: bool) -> Section:
    """Run one benchmark and show what it found."""
    started = time.monotonic()
    module = importlib.import_module(f".{MODULES[name]}", __package__)
    section: Section = module.run(quick=quick)
    print(section.markdown(), flush=True)
    print(f"({time.monotonic() - started:.0f} s)\n", flush=True)
    return section


def isolate(home: str) -> None:
    """Keep this person's settings out of the measurement, and the measurement out of them."""
    for name in list(os.environ):
        if name.upper().startswith(("ANTHROPIC_", "JPY_", "JUPYTER")):
            del os.environ[name]
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    os.environ.update({name: f"{home}/{name.lower()}" for name in folders}, HOME=home)


def _choices() -> str:
    return ", ".join(f"{letter} ({word})" for letter, word in MODULES.items())


if __name__ == "__main__":
    sys.exit(main())
