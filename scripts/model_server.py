"""Get a real model server for the tests: llama.cpp's own, in a wheel that carries it.

It is optional: where it has no wheel, the tests that need it are skipped and say so.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.terminal import run, say

# MIT: llama.cpp's server as a Python module (34 MB). `gguf` is llama.cpp's own writer of models.
PACKAGES = ("xllamacpp>=2026.10.11549,<2027", "gguf>=0.19,<1")
MODULES = ("xllamacpp", "gguf")


def ensure_model_server(python: Path) -> None:
    """Install the packages where they have wheels.

    Args:
        python: the interpreter of the tests' environment.
    """
    if has_model_server(python):
        return
    say("Installing a model server for the tests (about 55 MB)")
    # Built from its sources it would take many minutes.
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary",
        "xllamacpp",
    ]
    if not run([*pip, *PACKAGES], is_required=False):
        say("It has no wheel here: the tests that need it are skipped")


def has_model_server(python: Path) -> bool:
    """Return whether the packages are in the environment, without importing them."""
    code = f"import importlib.util as it; assert all(it.find_spec(name) for name in {MODULES!r})"
    done = subprocess.run([str(python), "-c", code], capture_output=True, check=False)
    return done.returncode == 0
