"""Run every test: the front end's, then Python's with the notebooks.

pytest is the last, so its closing line is the last line of the output.
"""

from __future__ import annotations

import os
import subprocess
import sys

from scripts.frontend import ROOT, SOURCES
from scripts.setup_env import PYTHON, environment
from scripts.terminal import say

NOTEBOOKS = ("notebooks/01_first_chat.ipynb", "notebooks/02_waiting_and_schedules.ipynb")


def main() -> int:
    """Run the tests; answer the status of the first kind that fails."""
    env = environment()
    say("Front end: vitest")
    status = subprocess.run(["jlpm", "test"], cwd=SOURCES, env=env, check=False).returncode
    if status:
        return status
    say("Python: pytest, with the notebooks executed by nbval")
    # Most tests wait for processes: a module runs in one process, two or more modules at a time.
    # In the order of their names: the many short ones are the last, and fill what is left.
    several = ["-n", str(max(2, min(4, os.cpu_count() or 1))), "--dist", "loadfile"]
    several.append("--no-loadscope-reorder")
    nbval = ["--nbval", "--nbval-current-env"]
    command = [str(PYTHON), "-m", "pytest", *several, *nbval, "tests", *NOTEBOOKS]
    return subprocess.run([*command, *sys.argv[1:]], cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
