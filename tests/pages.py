"""The code of the documentation's pages, for tests that run it as it stands there."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code of one language on a page, in their order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def saved(page: str, file: str) -> str:
    """The block of code that a page asks its reader to save under this name."""
    text = (DOCS / page).read_text(encoding="utf-8")
    _, asked, rest = text.partition(f"`{file}`")
    assert asked, f"{page} saves no {file}"
    block = re.search(r"^```\w+\n(.*?)^```$", rest, re.DOTALL | re.MULTILINE)
    assert block is not None
    return block[1]


@contextmanager
def imported(page: str, file: str, folder: Path) -> Iterator[ModuleType]:
    """Save that block, and import it."""
    path = folder / file
    path.write_text(saved(page, file), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[path.stem]
