"""Writes the dialect as inert HTML, with only the elements of an allow-list."""

from __future__ import annotations

from html import escape
from typing import Any

from .tree import tree_of

_VOID = ("br", "wbr", "hr", "img", "input")


def html_of(text: str) -> str:
    """Write a text of the dialect as HTML, with formulas as their source."""
    return "\n".join(_html_of_node(node) for node in tree_of(text))


def _html_of_node(node: Any) -> str:
    if isinstance(node, str):
        return escape(node)
    name, attributes, children = node
    if name == "math":
        tag = "pre" if attributes["display"] else "code"
        return f'<{tag} class="math">{escape(attributes["source"])}</{tag}>'
    inner = "".join(map(_html_of_node, children))
    if name == "footnote":
        label = escape(attributes["label"])
        return f'<div class="footnote"><sup>{label}</sup> {inner}</div>'
    marks = "".join(_attribute(name, key, value) for key, value in attributes.items())
    if name == "a" and "href" in attributes:
        marks += ' target="_blank" rel="noreferrer noopener"'
    if name == "input":
        marks = ' type="checkbox" disabled' + (" checked" if attributes["checked"] else "")
    return f"<{name}{marks}>" if name in _VOID else f"<{name}{marks}>{inner}</{name}>"


def _attribute(name: str, key: str, value: Any) -> str:
    if key == "language":
        return f' class="language-{escape(value)}"'
    if key == "align":
        return f' style="text-align:{escape(value)}"'
    return " open" if key == "open" else f' {key}="{escape(str(value))}"'
