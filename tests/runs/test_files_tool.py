"""The tool ``files``: what a model reads, lists and finds below a root."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.runs.tools.concealing import CONCEALED
from jupyter_chat_stream.runs.tools.files import notebooks, reading, searching
from jupyter_chat_stream.runs.tools.files.below_root import BelowRoot
from jupyter_chat_stream.runs.tools.files.limits import LookLimit, TookTooLong
from jupyter_chat_stream.runs.tools.files.tool import FILES, FilesTool, modified
from jupyter_chat_stream.runs.tools.registry import make_server_tools
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import FileNotReadable
from jupyter_chat_stream.shared.tool_definitions import check_definition
from tests.fixtures import MakeHarness
from tests.runs.calls import begun as begun_run
from tests.runs.calls import call as called
from tests.runs.calls import results
from tests.runs.file_calls import make, read

# ------------------------------------------------------------------------------------ definition


def test_the_tool_is_there_only_where_a_root_is_known(root: Path) -> None:
    assert FILES not in make_server_tools(ChatStream()).definitions()
    assert FILES not in make_server_tools(ChatStream(files_root="")).definitions()
    assert FILES in make_server_tools(ChatStream(files_root=str(root))).definitions()


def test_its_definition_is_one_that_any_executor_may_offer_and_only_reads() -> None:
    assert check_definition(dict(FILES)) == FILES
    assert {FILES["effect"], *FILES["operations"].values()} == {"read"}


async def test_a_run_reads_a_file_without_a_question(make_harness: MakeHarness, root: Path) -> None:
    """Reading asks nobody, and the model gets the text (L13)."""
    reads = called("c1", "files", operation="read", path="a.txt", count=1)
    harness, _, run = await begun_run(
        make_harness,
        [reads],
        server=(FilesTool(BelowRoot(str(root))),),
        thread_tools={"mode": "ask", "names": ["files"]},
    )
    output = (await results(harness, run))["c1"]["output"]
    assert output == {"path": "a.txt", "first_line": 1, "text": "one", "next_line": 2}
    assert (await harness.reply(run))["status"] == "completed"


# ----------------------------------------------------------------------------------------- texts


async def test_a_text_is_read_by_lines_and_tells_where_to_go_on(root: Path) -> None:
    whole = {"path": "a.txt", "first_line": 1, "text": "one\ntwo\nthree"}
    assert await read(root, "a.txt") == whole
    part = {"path": "a.txt", "first_line": 2, "text": "two", "next_line": 3}
    assert await read(root, "a.txt", start=2, count=1) == part
    assert await read(root, "./a.txt", start=9) == {"path": "./a.txt", "first_line": 9, "text": ""}


async def test_a_large_text_is_read_in_parts_that_together_are_the_file(root: Path) -> None:
    lines = [f"{n} " + "é" * 500 for n in range(1000)]
    (root / "large.txt").write_text("\ufeff" + "\r\n".join(lines), "utf-8")
    got: list[str] = []
    start: int | None = 1
    while start is not None:
        part = await read(root, "large.txt", start=start, count=10_000)
        assert len(part["text"].encode()) <= reading.MAX_TEXT_BYTES
        got += part["text"].split("\n")
        start = part.get("next_line")
    assert got == lines


async def test_a_line_without_end_is_cut_and_a_huge_file_read_in_part(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "line.txt").write_text("x" * 50_000)
    text = (await read(root, "line.txt"))["text"]
    assert text == "x" * reading.MAX_LINE_CHARS + "… (50000 characters)"
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 8)
    part = await read(root, "a.txt")
    assert (part["text"], part["note"][:22]) == ("one\ntwo", "Only the first 8 bytes")


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\0\0", "a".encode("utf-16")])
async def test_a_file_that_is_no_text_fails_with_a_sentence(root: Path, data: bytes) -> None:
    (root / "b.bin").write_bytes(data)
    done = await make(root, operation="read", path="b.bin")
    assert (done.success, "no text" in done.output) == (False, True)


async def test_a_key_of_the_servers_environment_is_told_of_and_not_shown(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may read a thread may not read the server's keys."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret-0815")
    (root / "key.txt").write_text("key=sk-secret-0815\n")
    assert (await read(root, "key.txt"))["text"] == f"key={CONCEALED}"
    [hit] = (await make(root, operation="search", text="key=")).output["hits"]
    assert hit["text"] == f"key={CONCEALED}"


@pytest.mark.parametrize("form", [str, repr, json.dumps])
async def test_no_part_of_a_key_is_shown_where_a_line_is_cut(
    root: Path, monkeypatch: pytest.MonkeyPatch, form: Callable[[str], str]
) -> None:
    """A search shows the middle of a line, a read its beginning; and a key is no word to search."""
    secret = 'sk-"lab"-0123456789' + "abcdef" * 40
    monkeypatch.setenv("ANTHROPIC_API_KEY", secret)
    (root / "a.txt").write_text(f"key={form(secret)} needle")
    (root / "b.txt").write_text("x" * (reading.MAX_LINE_CHARS - 20) + form(secret))
    [hit] = (await make(root, operation="search", text="needle")).output["hits"]
    assert "abcdef" not in hit["text"]
    (root / "long.txt").write_text(
        "x" * 100_000 + f"{form(secret)} far {form(secret)}" + "y" * 100_000
    )
    [hit] = (await make(root, operation="search", text=" far ")).output["hits"]
    assert "far" in hit["text"]
    assert "abcdef" not in hit["text"]
    assert (await make(root, operation="search", text="abcdefabc")).output["hits"] == []
    for name in ("a.txt", "b.txt"):
        text = (await read(root, name))["text"]
        assert CONCEALED in text
        assert "sk-" not in text


async def test_bytes_that_are_no_utf_8_are_replaced(root: Path) -> None:
    (root / "latin.txt").write_bytes("né\n".encode("latin-1"))
    assert (await read(root, "latin.txt"))["text"] == "n\ufffd"


# ------------------------------------------------------------------------------------- notebooks


def write_notebook(path: Path, *cells: Any) -> None:
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": list(cells)}))


async def test_a_notebook_is_read_by_cells_with_ids_and_outputs_as_text(root: Path) -> None:
    outputs = [
        {"output_type": "stream", "text": ["a\n", "b"]},
        {"output_type": "execute_result", "data": {"text/plain": "7", "image/png": "AAAA"}},
        {"output_type": "error", "ename": "E", "traceback": ["\x1b[31mE\x1b[0m: bad"]},
        {"output_type": "display_data", "data": "broken"},
        "broken",
    ]
    write_notebook(
        root / "n.ipynb",
        {"cell_type": "markdown", "id": "m", "source": "# Hi"},
        {"cell_type": "code", "id": "c", "source": ["x = 1\n", "x"], "outputs": outputs},
        {"cell_type": "code", "source": 5, "outputs": []},
    )
    told = await read(root, "n.ipynb")
    assert told["cells"] == [
        {"number": 1, "id": "m", "type": "markdown", "source": "# Hi"},
        {
            "number": 2,
            "id": "c",
            "type": "code",
            "source": "x = 1\nx",
            "outputs": ["a\nb", "7\n(also: image/png)", "E: bad"],
        },
        {"number": 3, "id": "", "type": "code", "source": ""},
    ]
    assert (told["cell_count"], told.get("next_cell")) == (3, None)
    part = await read(root, "n.ipynb", start=2, count=1)
    assert ([cell["id"] for cell in part["cells"]], part["next_cell"]) == (["c"], 3)


async def test_long_outputs_and_many_cells_are_told_in_part(root: Path) -> None:
    long = [{"output_type": "stream", "text": "y" * 9000}] * 2
    cells = [{"cell_type": "code", "id": str(n), "source": "x" * 9000} for n in range(30)]
    write_notebook(root / "n.ipynb", {"cell_type": "code", "outputs": long}, *cells)
    told = await read(root, "n.ipynb")
    first = told["cells"][0]["outputs"]
    assert first == ["y" * 4000 + "… (9000 characters)", "… (more outputs)"]
    assert len(json.dumps(told)) < reading.MAX_TEXT_BYTES + 20_000
    assert told["next_cell"] == len(told["cells"]) + 1


@pytest.mark.parametrize(
    "text", ["{}", "[]", "7", "{", '{"cells": 5}', '{"cells": [1]}', "[" * 9999]
)
async def test_a_file_that_is_no_notebook_fails_with_a_sentence(root: Path, text: str) -> None:
    (root / "n.ipynb").write_text(text)
    done = await make(root, operation="read", path="n.ipynb")
    assert (done.success, "no notebook" in done.output) == (False, True)


# ------------------------------------------------------------------------------ lists and searches


async def test_a_folder_is_listed_with_folders_first_and_nothing_special(root: Path) -> None:
    (root / "sub").mkdir()
    (root / ".hidden").write_text("x")
    os.mkfifo(root / "pipe")
    (root / "out").symlink_to(root.parent)
    (root / "gone").symlink_to(root / "nothing")
    (root / "to_a").symlink_to(root / "a.txt")
    found = (await make(root, operation="list")).output
    assert [(it["name"], it["type"], it.get("size")) for it in found["entries"]] == [
        ("sub", "folder", None),
        ("a.txt", "file", 14),
        ("to_a", "file", 14),
    ]


async def test_a_large_folder_is_listed_in_part(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(510):
        (root / f"f{n:03}").touch()
    found = (await make(root, operation="list", path=".")).output
    assert (len(found["entries"]), found["not_listed"]) == (500, 11)


async def test_a_search_finds_lines_cells_and_names(root: Path) -> None:
    (root / "sub" / "node_modules").mkdir(parents=True)
    (root / "sub" / "node_modules" / "x.txt").write_text("two")
    (root / "sub" / "b.md").write_text("z\nTWO of them")
    write_notebook(root / "n.ipynb", {"cell_type": "code", "source": "a\ntwo()", "id": "c"})
    (root / "b.bin").write_bytes(b"two\0")
    (root / "sub" / "again").symlink_to(root)
    found = (await make(root, operation="search", text="two")).output
    assert found == {
        "hits": [
            {"path": "a.txt", "line": 2, "text": "two"},
            {"path": "n.ipynb", "cell": 1, "text": "two()"},
            {"path": "sub/b.md", "line": 2, "text": "TWO of them"},
        ],
        "complete": True,
    }
    named = (await make(root, operation="search", path="sub", name="*.md")).output
    assert named["hits"] == [{"path": "sub/b.md"}]


async def test_a_search_ends_at_its_limits_and_tells_so(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(200):
        (root / f"f{n:03}.txt").write_text("w" * 1000 + "hit" + "w" * 1000)
    found = (await make(root, operation="search", text="hit")).output
    assert (len(found["hits"]), found["complete"]) == (searching.MAX_HITS, False)
    assert all("hit" in hit["text"] and len(hit["text"]) < 400 for hit in found["hits"])
    monkeypatch.setattr(searching, "MAX_SEARCHED_FILE_BYTES", 10)
    assert (await make(root, operation="search", text="hit")).output == {
        "hits": [],
        "complete": False,
    }
    monkeypatch.setattr(searching, "MAX_ENTRIES", 3)
    assert not (await make(root, operation="search", name="nothing")).output["complete"]


def test_a_look_that_is_stopped_or_takes_too_long_ends(root: Path) -> None:
    """Also among files that do not match, in a large file, and far into one."""
    below = BelowRoot(str(root))
    by_name = searching.FileSearch(text=None, name="nothing")
    for limit in (LookLimit(lambda: True), LookLimit(lambda: False, most_s=-1)):
        found = searching.search(below, "", by_name, limit)
        assert found == {"hits": [], "complete": False}
        with pytest.raises(TookTooLong):
            below.entries("", 9, limit.check)
    (root / "large.txt").write_text("\n" * 5000)
    (root / "n.ipynb").write_text('{"cells": []}')
    looks = iter([False, True])
    with pytest.raises(TookTooLong), below.open_file("large.txt") as file:
        reading.read_lines("large.txt", file, 4999, None, LookLimit(lambda: next(looks)))
    stopped = LookLimit(lambda: True)
    with pytest.raises(TookTooLong), below.open_file("n.ipynb") as file:
        notebooks.read_cells("n.ipynb", file, 1, None, stopped)


async def test_a_search_looks_at_whole_lines_and_tells_what_it_left_out(root: Path) -> None:
    (root / "one_line.json").write_text('"a",' * 3000 + '"needle"')
    found = (await make(root, operation="search", text="needle")).output
    assert [hit["path"] for hit in found["hits"]] == ["one_line.json"]
    assert "needle" in found["hits"][0]["text"]
    assert (await make(root, operation="search", text="characters)")).output["hits"] == []
    (root / "many.txt").write_text("x\n" * 20)
    found = (await make(root, operation="search", text="x")).output
    assert (len(found["hits"]), found["complete"]) == (searching.MAX_HITS_IN_FILE, False)


async def test_what_cannot_be_read_or_dated_fails_nothing_else(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert modified(2.0**38) == {}, "a broken archive leaves such times"
    assert modified(0.0) == {"modified": "1970-01-01T00:00:00.000Z"}

    def broken(*_: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("jupyter_chat_stream.runs.tools.files.tool.read_lines", broken)
    done = await make(root, operation="read", path="a.txt")
    assert done.output == FileNotReadable("a.txt").message


@pytest.mark.parametrize(
    "input_",
    [
        {},
        {"operation": "write", "path": "a.txt"},
        {"operation": "read", "path": 5},
        {"operation": "read", "path": "a.txt", "start": 0},
        {"operation": "read", "path": "a.txt", "count": True},
        {"operation": "search"},
        {"operation": "search", "text": ""},
        {"operation": "search", "name": "x" * 201},
        {"operation": "list", "path": "a.txt"},
        {"operation": "read", "path": ""},
    ],
)
async def test_an_input_without_meaning_fails_with_a_sentence(root: Path, input_: Any) -> None:
    done = await make(root, **input_)
    assert not done.success
    assert done.output.endswith(".")
