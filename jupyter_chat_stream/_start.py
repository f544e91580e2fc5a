"""The working directory when the package was imported. ``os.chdir`` does not change it."""

from __future__ import annotations

import os


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # the directory was removed, or cannot be read
        return None


FOLDER = _working_directory()
