"""Run every test: the front end's, then Python's with the notebooks. With arguments: a part.

pytest is the last, so its closing line is the last line of the output.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from scripts.frontend import ROOT, SOURCES
from scripts.selection import Selection, select
from scripts.setup_env import BIN, PYTHON, environment
from scripts.terminal import say

NOTEBOOKS = (
    "notebooks/01_first_chat.ipynb",
    "notebooks/02_waiting_and_schedules.ipynb",
    "notebooks/03_models_and_files.ipynb",
    "notebooks/04_talk_to_a_dataframe.ipynb",
    "notebooks/05_approvals_and_edits.ipynb",
)
NBVAL = ("--nbval", "--nbval-current-env")
COVERAGE = "--coverage"
# Each process starts a Postgres and Jupyter servers of its own, and two of them a browser.
MAX_WORKERS = 4
# The tests that schemathesis makes of the description of the API.
OPENAPI = ("tests/server/test_openapi.py",)


def main(arguments: Sequence[str]) -> int:
    """Run the tests; return the status of the first kind that fails."""
    selection = select([word for word in arguments if word != COVERAGE])
    # What makes the start of each Python quick: the test processes', too.
    env = {**environment(), "PYTHONPATH": str(ROOT / "tests" / "startup")}
    if selection.is_whole or selection.vitest:
        say("Front end: vitest")
        status = _run(["jlpm", "test", *selection.vitest], SOURCES, env)
        if status or (selection.vitest and not selection.pytest):
            return status
    say("Python: pytest")
    if COVERAGE in arguments:
        return _measured(selection, env)
    return _run([str(PYTHON), "-m", "pytest", *pytest_words(selection)], ROOT, env)


def pytest_words(selection: Selection) -> list[str]:
    """List pytest's arguments: for the whole suite, in several processes with the notebooks."""
    if not selection.is_whole:
        return [*_plugins(selection), *selection.pytest]
    # Each test process spends a third of its time or more waiting for servers and kernels that it
    # has started: one process more than there are processors keeps all of them busy. With two more,
    # tests that wait for a process met their limits.
    workers = min(MAX_WORKERS, (os.cpu_count() or 1) + 1)
    # A module runs in one process (tests/distribution.py says in which). The longest start first;
    # many short ones are the last and fill what is left.
    several = ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]
    return [*several, *NBVAL, *NOTEBOOKS, "tests"]


def _plugins(selection: Selection) -> Iterator[str]:
    """Leave out the plugins that a part does not use: loading them takes seconds."""
    if any(".ipynb" in word for word in selection.pytest):
        yield from NBVAL
    else:
        yield from ("-p", "no:nbval")
    if not selection.may_hold(OPENAPI):
        yield from ("-p", "no:schemathesis")


def _measured(selection: Selection, env: Mapping[str, str]) -> int:
    """Run pytest and report which lines of the package ran, in all of its processes."""
    coverage = [str(BIN / "coverage")]
    _run([*coverage, "erase"], ROOT, env)
    status = _run([*coverage, "run", "-m", "pytest", *pytest_words(selection)], ROOT, env)
    _run([*coverage, "combine", "--quiet"], ROOT, env)
    _run([*coverage, "report"], ROOT, env)
    return status


def _run(command: Sequence[str], folder: os.PathLike[str], env: Mapping[str, str]) -> int:
    return subprocess.run(command, cwd=folder, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
