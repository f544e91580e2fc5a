"""The right place for everything: each shared case ends without an AssertionError.

The cases are played as they are, each by a Python of its own in a fresh home. They are started
together, because they wait more than they work.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import home_environment

HERE = Path(__file__).parent
PATIENCE_S = 120.0
SECTIONS = {
    "two_folders.py": "one name in two folders, without JupyterLab, is two threads",
    "path_percent.py": "a data directory with %20 in its name holds the database",
    "data_dir_refused.py": "a chat folder that cannot be made is named in the answer",
    "runtime_cleaned.py": "kernels find the server after the connection file was cleaned away",
    "local_zone.py": "a cron without a zone means this machine's clock",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Every case, under way."""
    playing = {}
    for case in SECTIONS:
        folder = tmp_path_factory.mktemp(case.removesuffix(".py"))
        environment = fresh_environment(folder)
        playing[case] = subprocess.Popen(
            [sys.executable, str(HERE / case)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    yield playing
    for process in playing.values():
        process.kill()
        process.communicate()


def fresh_environment(folder: Path) -> dict[str, str]:
    temporary = folder / "tmp"
    temporary.mkdir()
    return {
        **os.environ,
        **home_environment(folder / "home"),
        "TMPDIR": str(temporary),
    }


@pytest.mark.parametrize("case", SECTIONS)
def test_the_case_holds(played: dict[str, subprocess.Popen[str]], case: str) -> None:
    said, _ = played[case].communicate(timeout=PATIENCE_S)
    assert played[case].returncode == 0, f"{SECTIONS[case]}:\n{said}"
