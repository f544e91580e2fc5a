"""The wall around the store: what may not leave it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import jupyter_chat_stream
from jupyter_chat_stream.store import front

PACKAGE = Path(jupyter_chat_stream.__file__).parent
INSIDE = {"conn", "tx", "Transaction", "sqlalchemy", "core"}


def names(tree: ast.AST) -> Iterator[str]:
    """List every name, argument, attribute and imported module of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)


def test_no_module_outside_the_store_holds_a_connection_or_a_transaction() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("store", "labextension")
        for name in names(ast.parse(path.read_text(encoding="utf-8")))
        if name in INSIDE
    }
    # Procrastinate's own connection, which it hands to our configuration of it
    assert found == {"engine/procrastinate.py: conn"}


def test_the_front_exports_no_type_of_sqlalchemy() -> None:
    modules = {name: getattr(getattr(front, name), "__module__", "") for name in front.__all__}
    assert {name for name, module in modules.items() if module.startswith("sql")} == set()
