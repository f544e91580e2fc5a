"""What docs/operations.md claims to be tested is tested, and its settings and commands exist."""

from __future__ import annotations

import re
from pathlib import Path

from jupyter_chat_stream.shared.config import ChatStream

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)(?:\.py)?`", PAGE))
    tests = list((ROOT / "tests").rglob("test_*.py"))
    there = {path.stem for path in tests}
    for path in tests:
        there |= set(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    assert len(named) > 30
    assert named <= there, named - there


def test_every_row_of_what_survives_what_names_a_test() -> None:
    section = PAGE.partition("## What survives what")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    assert [row for row in rows if "`test_" not in row] == []


def test_every_setting_that_the_page_names_exists() -> None:
    known = set(ChatStream.class_traits(config=True))
    assert set(re.findall(r"ChatStream\.(\w+)", PAGE)) <= known


def test_nothing_is_left_to_be_filled_in() -> None:
    assert "<!--" not in PAGE
