"""Copies of untrusted Markdown: harmless everywhere, and fast."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from jupyter_chat_stream.shared.markdown.copied_texts import one_line
from jupyter_chat_stream.shared.markdown.copies import harmless, harmless_start
from tests.corpus.seen import HOSTILE, harms

TESTS = Path(__file__).parent.parent.parent
CASES: dict[str, Any] = json.loads((TESTS / "vectors/copies/cases.json").read_text("utf-8"))

COMMONMARK = MarkdownIt("commonmark", {"maxNesting": 1_000}).enable(["table", "strikethrough"])


@pytest.mark.parametrize("case", CASES["copies"], ids=lambda case: case["name"])
def test_a_copy_is_what_the_vectors_say(case: dict[str, str]) -> None:
    assert harmless(case["source"]) == case["copy"]


def test_the_copies_that_the_page_s_tests_render_are_what_is_written() -> None:
    written = json.loads((TESTS / "vectors/copies/written.json").read_text("utf-8"))
    marks = ("1. ", "- ", ">", "> - ")
    nested = [mark * (10_000 // len(mark)) + "deep" for mark in marks]
    many_marks = ["Begin\n\n" + case["unit"] * 700 for case in CASES["repeats"][::4]]
    assert written == {
        "hostile": [*map(harmless, HOSTILE)],
        "nested": [*map(harmless, nested)],
        "marks": [*map(harmless, many_marks)],
    }


@pytest.mark.parametrize("case", CASES["repeats"], ids=lambda case: case["unit"][-12:])
def test_a_copy_of_many_marks_is_what_the_vectors_say(case: dict[str, Any]) -> None:
    copy = harmless("Begin\n\n" + case["unit"] * case["times"])
    assert hashlib.sha256(copy.encode()).hexdigest() == case["copy_sha256"]


@pytest.mark.parametrize("case", CASES["repeats"], ids=lambda case: case["unit"][-12:])
def test_a_copy_has_few_marks_in_each_paragraph(case: dict[str, Any]) -> None:
    """JupyterLab's reader compares each mark of a paragraph with all that follow."""
    copy = harmless("Begin\n\n" + case["unit"] * case["times"])
    paragraphs = [token.content for token in COMMONMARK.parse(copy) if token.type == "inline"]
    assert max(len(re.findall("[*_~]|<span>", text)) for text in paragraphs) < 502


@pytest.mark.parametrize(
    "source",
    [
        "- a **bold** item\n" * 1_000,
        "1. a **bold** item\n2. another *one*\n" * 500,
        "- a\n  - **b**\n    - *c*\n" * 300,
        "| a | b |\n|---|---|\n" + "| **a** | *b* |\n" * 500,
        "A **bold** word.\n\n" * 1_000,
        "$x_{1}^2$ and " * 400,
        "Intro:\n| a | b |\n|---|---|\n" + "| `user_id` | `order_id` |\n" * 300,
        "".join(f"{number}. **item** text\n" for number in range(3, 153)),
        "> - **item**: text\n" * 300,
        "a **bold** word, " * 100,
    ],
)
def test_the_marks_of_usual_texts_stay_however_many_there_are(source: str) -> None:
    assert "<code>" not in harmless(source)


@pytest.mark.parametrize(
    "source",
    [
        "**a " * 300,
        "> **a\n" * 300,
        "x\n" + "          - **a\n" * 300,
        "|**a" * 300,
        "\\(x\\$\\) " + "**a " * 300 + "\\(x\\$\\)",
        "$x " + "**a " * 300 + "b$",
    ],
)
def test_what_follows_the_five_hundredth_mark_of_a_paragraph_is_code(source: str) -> None:
    copy = harmless(source)
    assert "<code>" in copy
    assert len(re.sub("<code>.*?</code>", "", copy).replace("a", "").replace("**", "*")) < 5_000


@pytest.mark.parametrize("case", CASES["starts"], ids=lambda case: case["source"][:8])
def test_a_beginning_fits_in_and_its_fence_is_closed(case: dict[str, Any]) -> None:
    start = harmless_start(case["source"], case["bytes"])
    assert start == case["start"]
    assert len(start.encode()) <= max(3, case["bytes"])
    assert start.count("```") % 2 == 0


@pytest.mark.parametrize("case", CASES["lines"], ids=lambda case: case["source"])
def test_a_name_is_one_line_of_plain_text(case: dict[str, str]) -> None:
    assert one_line(case["source"]) == case["line"]


def _markdown_it() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser


RENDERERS: dict[str, Callable[[str], str]] = {
    "markdown-it": _markdown_it().render,
    "nbconvert": markdown2html_mistune,
}


@pytest.mark.parametrize("name", RENDERERS)
def test_a_hostile_text_can_do_nothing_in_any_renderer(name: str) -> None:
    render = RENDERERS[name]
    found = {text: list(harms(render(harmless(text)))) for text in HOSTILE}
    assert {text: bad for text, bad in found.items() if bad} == {}


@pytest.mark.parametrize("name", RENDERERS)
def test_a_hostile_name_can_do_nothing_in_any_renderer(name: str) -> None:
    page = RENDERERS[name]("\n\n".join(f"# {one_line(text)}" for text in HOSTILE))
    assert list(harms(page)) == []


def test_the_search_for_harm_finds_it() -> None:
    render = RENDERERS["markdown-it"]
    assert sum(any(harms(render(text))) for text in HOSTILE) > 1000


def _piece(text: str) -> st.SearchStrategy[str]:
    ends = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
    return ends.map(lambda at: text[min(at) : max(at)])


mixed = st.lists(
    st.sampled_from(HOSTILE).flatmap(lambda text: st.just(text) | _piece(text)),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(pieces=mixed, between=st.sampled_from(["", " ", "\n", "\n\n"]))
def test_pieces_of_hostile_texts_can_do_nothing_together(pieces: list[str], between: str) -> None:
    copy = harmless(between.join(pieces))
    for name, render in RENDERERS.items():
        assert list(harms(render(copy))) == [], name


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "*",
            "`",
            "``a`",
            "[",
            "![",
            "<",
            "$",
            ">",
            "\\(",
            "\\({",
            "$$a\n",
            "\\[a\n",
            "<b>",
            "a\n",
        ),
        *("<details>\n<summary>\n", "   ```\n", "- ", "{", "[^", "&#", "$a$", "| a ", "](", "]:"),
    ],
)
def test_a_copy_takes_time_in_proportion_to_its_text(unit: str) -> None:
    """A quadratic reading of these would take minutes."""
    begun = time.monotonic()
    harmless(unit * (200_000 // len(unit)))
    assert time.monotonic() - begun < 10
