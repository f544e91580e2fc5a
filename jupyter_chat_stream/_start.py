"""The working directory at the first import of the package; ``os.chdir`` may change it later."""

from __future__ import annotations

import os


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed, or may not be read
        return None


FOLDER = _working_directory()
