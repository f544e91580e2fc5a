"""The dialect of ``docs/markdown.md`` as Python reads it: the vectors that the page runs, too."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.shared.markdown.html import html_of
from jupyter_chat_stream.shared.markdown.tree import tree_of
from tests.corpus.seen import HOSTILE

FOLDER = Path(__file__).parent.parent.parent / "vectors" / "markdown"
VECTORS = [
    pytest.param(vector, id=f"{path.stem}: {vector['name']}")
    for path in sorted(FOLDER.glob("*.json"))
    for vector in json.loads(path.read_text("utf-8"))
]


def without_sources(nodes: list[Any]) -> list[Any]:
    """Take off what the tree has beside the vectors' form: the source of a formula."""
    return [
        node
        if isinstance(node, str)
        else [
            node[0],
            {name: value for name, value in node[1].items() if name != "source"},
            without_sources(node[2]),
        ]
        for node in nodes
    ]


@pytest.mark.parametrize("vector", VECTORS)
def test_a_text_becomes_the_tree_that_the_vector_says(vector: dict[str, Any]) -> None:
    assert without_sources(tree_of(vector["source"])) == vector["html"]


def test_no_hostile_text_fails() -> None:
    for text in HOSTILE:
        html_of(text)


@pytest.mark.parametrize(
    "unit",
    [
        *("*", "`", "``a`", "[", "![", "<", "$", ">", "\\(", "\\({", "$$a\n", "\\[a\n", "<b>"),
        *("a\n", "<details>\n", "   ```\n", "- ", "{", "[^", "&#", "$a$", "| a ", "]("),
        *("<table>\n", "[^a]: ", "> > > > ", "1. ", "[a](b) ", "http://_", "www._ "),
    ],
)
def test_a_text_takes_time_in_proportion_to_its_length(unit: str) -> None:
    begun = time.monotonic()
    html_of(unit * (100_000 // len(unit)))
    html_of(unit * (19_000 // len(unit)))
    assert time.monotonic() - begun < 10


def test_a_paragraph_of_too_many_marks_is_one_text() -> None:
    beyond = "`a` " * 1_600
    assert tree_of(beyond) == [["p", {}, [beyond.strip()]]]
    assert len(tree_of("`a` " * 1_400)[0][2]) > 1_400
