"""Lint, format, types, floors, sizes and docs: all of them run, whatever the first one says."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts import docs
from scripts.frontend import ROOT, SOURCES
from scripts.setup_env import BIN, environment
from scripts.terminal import say

# House style: what one can hold in one's head.
MODULE_LINES = 400
FUNCTION_LINES = 40
SIZED = ("jupyter_chat_stream/**/*.py", "scripts/*.py", "benchmarks/**/*.py")
SIZED_TYPESCRIPT = "src/**/*.ts*"


def main() -> int:
    """Run every check; return 1 if one fails."""
    failed = [name for name, is_kept in results() if not is_kept]
    if failed:
        say(f"Not kept: {', '.join(failed)}")
        return 1
    say("All checks pass")
    return 0


def results() -> Iterator[tuple[str, bool]]:
    """Run the checks, the front end's beside the others, and say of each whether it is kept."""
    front_end = subprocess.Popen(
        ["jlpm", "lint"],
        cwd=SOURCES,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    python_checks = {
        "lint": ["ruff", "check", "."],
        "format": ["ruff", "format", "--check", "."],
        "types": ["mypy"],
        "floors": ["lint-imports"],
    }
    for name, (tool, *words) in python_checks.items():
        say(f"{name}: {tool}")
        yield name, _run([str(BIN / tool), *words], ROOT)
    say("front end: tsc, eslint, stylelint, prettier")
    said, _ = front_end.communicate()
    print(said, end="", flush=True)
    yield "front end", front_end.returncode == 0
    say("sizes")
    excesses = list(too_large())
    for excess in excesses:
        print(excess)
    yield "sizes", not excesses
    say("documentation: sphinx")
    yield "documentation", not docs.main([])


def too_large() -> Iterator[str]:
    """Name every module and function beyond what the house style allows."""
    for path in sorted(path for pattern in SIZED for path in ROOT.glob(pattern)):
        if "node_modules" not in path.parts:
            yield from _too_long(path, path.read_text(encoding="utf-8"))
            yield from long_functions(path, path.read_text(encoding="utf-8"))
    for path in sorted(SOURCES.glob(SIZED_TYPESCRIPT)):
        yield from _too_long(path, path.read_text(encoding="utf-8"))


def long_functions(path: Path, text: str) -> Iterator[str]:
    """Name the functions that are too long; the docstring does not count."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
        if lines > FUNCTION_LINES:
            place = f"{path.relative_to(ROOT)}:{node.lineno}"
            yield f"{place}: {node.name} has {lines} lines, more than {FUNCTION_LINES}"


def _too_long(path: Path, text: str) -> Iterator[str]:
    lines = text.count("\n")
    if lines > MODULE_LINES:
        yield f"{path.relative_to(ROOT)}: {lines} lines, more than {MODULE_LINES}"


def _run(command: list[str], folder: Path) -> bool:
    return subprocess.run(command, cwd=folder, env=environment(), check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
