"""The JSON Patches that the tests of the page read: made by jsonpatch, and valid (L17)."""

from __future__ import annotations

import json

import nbformat

from tests.properties.notebook_patches import CASES, make_cases, notebook_of


def test_the_cases_of_patches_are_those_that_the_library_makes() -> None:
    """The page is compared with jsonpatch, whose results the file keeps."""
    assert json.loads(CASES.read_text(encoding="utf-8")) == make_cases(), (
        "run python -m tests.properties.notebook_patches"
    )


def test_every_notebook_of_the_cases_is_valid_before_and_after() -> None:
    """L17"""
    for case in make_cases():
        for name in ("before", "after"):
            nbformat.validate(notebook_of(case[name]), version=4, version_minor=5)
