"""Reads the description of a function and of its parameters from a docstring. Pure.

It knows three styles: Google (``Args:``), numpy (``Parameters`` over a line of dashes) and
reStructuredText (``:param name: …``). It ignores text in other styles.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_DESCRIPTION_CHARS = 4_000
MAX_PARAMETER_CHARS = 1_000

_REST = re.compile(r"\s*:param\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)")
_GOOGLE = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY = re.compile(r"\*{0,2}(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")
_GOOGLE_HEADS = ("args:", "arguments:", "parameters:", "params:")


@dataclass(frozen=True, kw_only=True)
class DocumentedFunction:
    """The texts of a docstring that a model reads."""

    description: str
    """The first paragraph."""
    parameters: dict[str, str]


def read_docstring(text: str | None) -> DocumentedFunction:
    """Return the first paragraph of a docstring, and the text about each parameter."""
    lines = inspect.cleandoc(text or "").splitlines()
    paragraph: list[str] = []
    for line in lines:
        if not line.strip() and paragraph:
            break
        if _is_section(line, paragraph):
            break
        paragraph.append(line.strip())
    texts = {name: _join(about) for name, about in _parameters(lines)}
    return DocumentedFunction(
        description=_join(paragraph)[:MAX_DESCRIPTION_CHARS],
        parameters={name: about[:MAX_PARAMETER_CHARS] for name, about in texts.items() if about},
    )


def _is_section(line: str, before: Sequence[str]) -> bool:
    """Return whether a line begins the section of parameters, without an empty line before."""
    return line.strip().lower() in _GOOGLE_HEADS or _REST.match(line) is not None


def _join(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())


def _parameters(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for n, line in enumerate(lines):
        match = _REST.match(line)
        if match is not None:
            yield match[1], [match[2], *_deeper_lines(lines[n + 1 :], _indent(line))]
        elif line.strip().lower() in _GOOGLE_HEADS:
            yield from _google(list(_deeper_lines(lines[n + 1 :], _indent(line))))
        elif line.strip() == "Parameters" and n + 1 < len(lines) and _is_rule(lines[n + 1]):
            yield from _numpy(lines[n + 2 :])


def _google(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    indents = [_indent(line) for line in lines if line.strip()]
    for n, line in enumerate(lines):
        match = _GOOGLE.match(line.strip())
        if match is not None and _indent(line) == min(indents):
            yield match[1], [match[2], *_deeper_lines(lines[n + 1 :], _indent(line))]


def _numpy(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for n, line in enumerate(lines):
        if n + 1 < len(lines) and _is_rule(lines[n + 1]):
            return  # the next section
        match = _NUMPY.match(line.strip()) if not _indent(line) else None
        if match is not None:
            for name in match[1].split(","):
                yield name.strip(), list(_deeper_lines(lines[n + 1 :], 0))


def _deeper_lines(lines: Sequence[str], indent: int) -> Iterator[str]:
    """List the lines before the first line that is not indented deeper than ``indent``."""
    for line in lines:
        if line.strip() and _indent(line) <= indent:
            return
        yield line


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_rule(line: str) -> bool:
    return len(line.strip()) > 2 and set(line.strip()) == {"-"}
