"""Files, open files and data with a name; and what is refused, with the next step."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas  # noqa: F401 - loaded, so that it is used
import polars  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_chat_stream import Attachment
from jupyter_chat_stream.kernel.attachments import convert, table_files
from jupyter_chat_stream.kernel.attachments.convert import content_of
from jupyter_chat_stream.kernel.attachments.tables import frames
from jupyter_chat_stream.shared.config import MAX_ATTACHMENT_BYTES
from jupyter_chat_stream.shared.errors import AttachmentTooLarge, InvalidInput, WrongCall
from jupyter_chat_stream.shared.media_types import PARQUET

PDF = b"%PDF-1.7\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with a report."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.pdf").write_bytes(PDF)
    return tmp_path


def test_a_file_is_named_by_a_text_or_a_path_from_the_working_directory(folder: Path) -> None:
    for path in ("report.pdf", Path("report.pdf"), folder / "report.pdf"):
        content = content_of(path)
        assert (content.name, content.type, content.data) == ("report.pdf", "application/pdf", PDF)


@pytest.mark.parametrize(
    ("name", "data", "type_"),
    [
        ("a.csv", b"a,b", "text/csv"),
        ("a.parquet", b"PAR1", "application/vnd.apache.parquet"),
        ("a.ipynb", b"{}", "application/x-ipynb+json"),
        ("a.jsonl", b"{}", "application/x-ndjson"),
        ("a.toml", b"a=1", "application/toml"),
        ("a.PNG", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("a.svg", b"<svg/>", "text/xml"),
        ("Makefile", b"all:\n", "text/plain"),
        ("notes.odd", "Grüße".encode(), "text/plain"),
        ("picture", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.zip", b"PK\x03\x04\x00", "application/zip"),
        ("core", b"\x7fELF\x00", "application/octet-stream"),
    ],
)
def test_the_ending_or_else_the_bytes_tell_the_type(name: str, data: bytes, type_: str) -> None:
    Path(name).write_bytes(data)
    assert content_of(name).type == type_


def test_a_name_that_is_no_file_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(WrongCall, match=r"no file 'reprot.pdf' in .*Did you mean 'report.pdf'\?"):
        content_of("reprot.pdf")
    with pytest.raises(WrongCall, match="write Attachment"):
        content_of("What is odd here?\nTell me.")


def test_only_plain_files_are_read(folder: Path) -> None:
    """A named pipe would block the cell."""
    with pytest.raises(InvalidInput, match=r"it is a directory\. Name the files in it"):
        content_of(folder)
    os.mkfifo("pipe")
    with pytest.raises(InvalidInput, match="'pipe' cannot be attached"):
        content_of("pipe")
    Path("empty.txt").touch()
    with pytest.raises(InvalidInput, match=r"empty.txt is empty"):
        content_of("empty.txt")


def test_a_file_over_the_bound_is_refused_before_it_is_read() -> None:
    with Path("big.csv").open("wb") as file:
        file.truncate(1 << 40)  # sparse: reading it would take the memory of the machine
    with pytest.raises(
        AttachmentTooLarge, match=r"'big.csv' has .* at most 20 MB.*attach the frame"
    ):
        content_of("big.csv")


def test_a_made_attachment_is_bound_by_what_any_server_takes() -> None:
    assert convert.MOST_BYTES == MAX_ATTACHMENT_BYTES
    made = Attachment(bytes(convert.MAX_BYTES + 1), name="a.pdf")  # this server may take more
    assert made.size == convert.MAX_BYTES + 1
    with pytest.raises(AttachmentTooLarge, match="at most 64 MB"):
        Attachment(bytes(MAX_ATTACHMENT_BYTES + 1), name="a.pdf")


def test_an_open_file_is_read_from_its_place_to_the_bound() -> None:
    with Path("report.pdf").open("rb") as file:
        content = content_of(file)
    assert (content.name, content.type, content.data) == ("report.pdf", "application/pdf", PDF)
    assert content_of(io.StringIO("a text")).type == "text/plain"
    assert content_of(io.BytesIO(PDF)).name == "attachment.pdf"
    with pytest.raises(AttachmentTooLarge):
        content_of(io.BytesIO(b"x" * 11), 10)
    broken = type("Broken", (), {"read": lambda self, size: 5})()
    with pytest.raises(WrongCall, match="returns int instead of bytes or text"):
        content_of(broken)


@pytest.mark.parametrize(
    ("data", "name", "type_", "read"),
    [
        ("Grüße", "notes.txt", "text/plain", "Grüße".encode()),
        ("# Plan", "plan.md", "text/markdown", b"# Plan"),
        (PDF, "a.pdf", "application/pdf", PDF),
        (bytearray(PDF), "scan", "application/pdf", PDF),
        (
            {"a": [1, "ä"]},
            "data.json",
            "application/json",
            '{\n "a": [\n  1,\n  "ä"\n ]\n}'.encode(),
        ),
        ([1], "list.json", "application/json", b"[\n 1\n]"),
        (Path("report.pdf"), None, "application/pdf", PDF),
        (Path("report.pdf"), "other.pdf", "application/pdf", PDF),
    ],
)
def test_an_attachment_is_made_of_data_with_a_name(
    data: Any, name: str | None, type_: str, read: bytes
) -> None:
    made = Attachment(data, name=name)
    assert (made.type, made.read(), made.size, made.id) == (type_, read, len(read), None)
    assert made.name.startswith(name or "report.pdf")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (PDF, "bytes need a name: write Attachment"),
        ({"a": 1}, "name='data.json'"),
        (None, "type NoneType cannot be attached"),
        (len, "what can be attached are frames"),
        (np.zeros((2, 2, 2)), "3 dimensions is no table"),
    ],
)
def test_what_is_refused_is_answered_with_the_next_step(value: Any, words: str) -> None:
    with pytest.raises(WrongCall, match=words):
        content_of(value)


def test_an_attachment_of_a_text_needs_a_name() -> None:
    """A text alone could be meant as the path of a file."""
    with pytest.raises(WrongCall, match=r"needs a name.*Attachment\(Path"):
        Attachment("report.pdf")
    with pytest.raises(WrongCall, match="as JSON"):
        Attachment({"a": object()}, name="a.json")


def test_a_long_or_hiding_name_becomes_a_short_plain_one() -> None:
    made = Attachment(b"x", name="../../" + "n" * 300 + "\u202e\n.txt")
    assert made.name == "n" * 116 + ".txt"


def test_an_attachment_shows_what_it_is() -> None:
    assert repr(Attachment(PDF, name="a.pdf")) == "Attachment('a.pdf', application/pdf, 9 bytes)"
    image = Attachment(b"\x89PNG\r\n\x1a\n", name="a.png")
    assert image._repr_mimebundle_() == {
        "text/plain": "Attachment('a.png', image/png, 8 bytes)",
        "image/png": "iVBORw0KGgo=",
    }


# ------------------------------------------------------------------ tables in files


def a_parquet_file(rows: int) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"n": range(rows), "s": ["a"] * rows}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("reader", ["pyarrow.parquet", "polars"])
def test_a_parquet_file_is_described_because_no_model_reads_it(
    reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "MAX_READ_CELLS", 2000)
    monkeypatch.setattr(frames, "MAX_READ_CELLS", 2000)
    if reader == "polars":
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    Path("small.parquet").write_bytes(a_parquet_file(1000))
    content = content_of("small.parquet")
    assert "1,000 rows × 2 columns" in content.summary
    assert "min 0, mean 499.5, median 499.5, max 999" in content.summary
    Path("large.parquet").write_bytes(a_parquet_file(1001))
    content = content_of("large.parquet")
    assert "Only the first 1,000 rows were read; there are more" in content.summary
    assert "The attached file is the whole table." in content.summary
    assert content.warning == ""


def test_a_parquet_file_that_nothing_reads_is_sent_with_a_warning() -> None:
    content = content_of(io.BytesIO(b"PAR1 broken"))
    assert (content.type, content.summary) == (PARQUET, "")
    assert "Install pyarrow or polars" in content.warning


@pytest.mark.parametrize("reader", ["polars", "pandas"])
def test_a_long_csv_file_is_described_and_a_short_one_is_read_as_it_is(
    reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "MAX_READ_CELLS", 40_000)
    monkeypatch.setattr(frames, "MAX_READ_CELLS", 40_000)
    for name in {"polars", "pandas"} - {reader}:
        monkeypatch.delitem(sys.modules, name)
    Path("short.csv").write_text("n,s\n1,a\n")
    assert content_of("short.csv").summary == ""
    Path("long.csv").write_text("n,s\n" + "1,a\n" * 30_000)
    assert "Only the first 20,000 rows were read" in content_of("long.csv").summary
    Path("odd.csv").write_bytes(b'"' * 200_000)
    assert content_of("odd.csv").type == "text/csv"
