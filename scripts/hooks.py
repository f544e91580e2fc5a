"""Lint and format the front end's files of one commit; `.pre-commit-config.yaml` runs it.

The whole front end is checked by `make check`; a commit waits for its own files only.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import PurePosixPath

from scripts.frontend import SOURCES
from scripts.setup_env import environment

CODE = (".ts", ".tsx", ".mjs", ".js")


def main(paths: Sequence[str]) -> int:
    """Run each tool on the files it knows; return 1 if one of them finds something."""
    commands = commands_for(paths)
    env = environment()
    done = [subprocess.run(words, cwd=SOURCES, env=env, check=False) for words in commands]
    return int(any(each.returncode for each in done))


def commands_for(paths: Sequence[str]) -> list[list[str]]:
    """List the commands, with the files named from the front end's folder."""
    names = [str(PurePosixPath(path).relative_to(SOURCES.name)) for path in paths]
    code = [name for name in names if name.endswith(CODE)]
    styles = [name for name in names if name.endswith(".css")]
    tools = [
        (["jlpm", "eslint", "--fix", "--no-warn-ignored"], code),
        (["jlpm", "stylelint", "--fix"], styles),
        (["jlpm", "prettier", "--write", "--ignore-unknown"], names),
    ]
    return [[*words, *files] for words, files in tools if files]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
