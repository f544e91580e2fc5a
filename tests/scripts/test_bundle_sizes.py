"""The bundle stays small, and what starts with JupyterLab stays smaller."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from scripts.bundle_sizes import ALL_BYTES, START_BYTES, files, sent_bytes
from scripts.terminal import Failure

ENTRY = (
    'const m={"./index":()=>n.e(731).then(()=>()=>n(1)),"./extension":()=>n.e(731)'
    '.then(()=>()=>n(1)),"./style":()=>Promise.all([n.e(9),n.e(431)]).then(()=>()=>n(7))};'
)


def made(folder: Path, entry: str = ENTRY) -> Path:
    static = folder / "static"
    static.mkdir()
    (static / "remoteEntry.abc.js").write_text(entry)
    for name in ("731.a.js", "431.b.js", "9.c.js", "124.d.js"):
        (static / name).write_text(name * 50)
    return folder


def test_the_bundle_is_below_its_bounds() -> None:
    found = files()
    start = [file for file in found if file.is_start]
    table = "\n".join(f"{file.name}: {file.sent_bytes} {file.is_start}" for file in found)
    assert sent_bytes(found) <= ALL_BYTES, table
    assert sent_bytes(start) <= START_BYTES, table
    assert len(start) < len(found), table  # the view is loaded with the first chat


def test_files_that_jupyterlab_loads_at_its_start_are_told_from_the_others(tmp_path: Path) -> None:
    found = files(made(tmp_path))
    start = {file.name for file in found if file.is_start}
    assert start == {"remoteEntry.abc.js", "731.a.js", "431.b.js", "9.c.js"}
    view = next(file for file in found if file.name == "124.d.js")
    content = (tmp_path / "static" / "124.d.js").read_bytes()
    assert view.bytes == len(content)
    assert view.sent_bytes == len(gzip.compress(content, 9, mtime=0))


@pytest.mark.parametrize("entry", [None, "const m={}"])
def test_a_bundle_that_cannot_be_read_is_no_small_bundle(tmp_path: Path, entry: str | None) -> None:
    folder = tmp_path if entry is None else made(tmp_path, entry)
    with pytest.raises(Failure):
        files(folder)
