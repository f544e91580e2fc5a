"""The first notebook as it lies in the repository; nbval executes it."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from jupyter_chat_stream.client.showing import MIME

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_first_chat.ipynb"


def test_nbconvert_shows_the_copy_of_the_chat() -> None:
    html, _ = HTMLExporter().from_filename(str(NOTEBOOK))
    assert "Hello from inside your notebook" in html
    assert "<table>" in html


def test_the_first_notebook_is_short_and_keeps_whole_answers() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert len(notebook.cells) <= 8
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kept = [output["data"] for output in outputs if MIME in output.get("data", {})]
    assert len(kept) >= 3
    assert not any("still being written" in data["text/markdown"] for data in kept)
    assert not any("application/vnd.jupyter.widget-view+json" in data for data in kept)


def test_cells_that_show_a_thread_are_not_compared_for_ids_are_random() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        shows = any(MIME in output.get("data", {}) for output in cell.get("outputs", []))
        assert not shows or "nbval-ignore-output" in cell.metadata.get("tags", [])
