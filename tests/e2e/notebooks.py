"""Notebook files: written before a test, read after it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.sites import PATIENCE_S, Site

MIME_TYPE = "application/vnd.jupyter-chat-stream.thread.v1+json"
# What a kernel of this Python would write: opening the file changes nothing in it.
METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": platform.python_version(),
    },
}


def code(source: str, *outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Make a code cell."""
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "execution_count": 1 if outputs else None,
        "outputs": list(outputs),
    }


def text(source: str) -> dict[str, Any]:
    """Make a Markdown cell."""
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def chat_output(thread: str, copy: str, run: str | None = None) -> dict[str, Any]:
    """Make the output a chat leaves in a file, with its copy."""
    address = {"thread": thread, **({"run": run} if run else {})}
    data = {MIME_TYPE: address, "text/markdown": copy, "text/plain": copy}
    return {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data}


def write(site: Site, name: str, *cells: Mapping[str, Any]) -> str:
    """Write a notebook into the site's folder; give its path there."""
    content = {
        "cells": [{**cell, "id": f"cell-{index}"} for index, cell in enumerate(cells)],
        "metadata": METADATA,
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = f"{name}.ipynb"
    (site.notebooks / path).write_text(json.dumps(content, indent=1))
    return path


def outputs(site: Site, path: str) -> list[dict[str, Any]]:
    """Read the bundles of all chats in a notebook file; none while it is being written."""
    try:
        content = json.loads((site.notebooks / path).read_text())
    except ValueError:
        return []
    return [
        output["data"]
        for cell in content["cells"]
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
    ]


def copies(site: Site, path: str) -> list[str]:
    """Read the Markdown copies of all chats in a notebook file."""
    return ["".join(bundle["text/markdown"]) for bundle in outputs(site, path)]


def to_html(site: Site, path: str, folder: Path) -> str:
    """Let nbconvert turn a notebook into HTML."""
    subprocess.run(
        [
            *(sys.executable, "-m", "nbconvert", "--to", "html"),
            *("--output-dir", str(folder), str(site.notebooks / path)),
        ],
        env=site.environment,
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return (folder / path).with_suffix(".html").read_text()
