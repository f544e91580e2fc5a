"""The notebooks as they lie in the repository; nbval executes them."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

from jupyter_chat_stream.kernel.output import MIME

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NOTEBOOK = NOTEBOOKS / "01_first_chat.ipynb"
ALL = sorted(NOTEBOOKS.glob("*.ipynb"))


def test_nbconvert_shows_the_copy_of_the_chat() -> None:
    html, _ = HTMLExporter().from_filename(str(NOTEBOOK))
    assert "Hello from inside your notebook" in html
    assert "<table>" in html


def test_the_first_notebook_is_short() -> None:
    assert len(nbformat.read(NOTEBOOK, as_version=4).cells) <= 8


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_notebook_keeps_whole_answers_and_no_widgets(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kept = [output["data"] for output in outputs if MIME in output.get("data", {})]
    assert len(kept) >= 3
    assert not any("still being written" in data["text/markdown"] for data in kept)
    assert not any("application/vnd.jupyter.widget-view+json" in data for data in kept)


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_cells_that_show_a_thread_are_not_compared_for_ids_are_random(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        shows = any(MIME in output.get("data", {}) for output in cell.get("outputs", []))
        assert not shows or "nbval-ignore-output" in cell.metadata.get("tags", [])
