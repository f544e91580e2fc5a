"""What a function returns, raises and prints, as the JSON and the texts that a model reads."""

from __future__ import annotations

import datetime
import enum
import json
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import pandas
import polars
import pytest
from matplotlib.figure import Figure
from PIL import Image
from pydantic import BaseModel

from jupyter_chat_stream.kernel.attachments.attachment import Attachment
from jupyter_chat_stream.kernel.tools import failures
from jupyter_chat_stream.kernel.tools.files import CallFiles
from jupyter_chat_stream.kernel.tools.keys import Concealer
from jupyter_chat_stream.kernel.tools.results import MAX_BYTES, output_of
from jupyter_chat_stream.shared.secret_names import secrets_of


@dataclass
class Point:
    x: int
    label: str = "a"


class Row(BaseModel):
    at: datetime.date
    point: Any


class Season(enum.Enum):
    AUTUMN = "autumn"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def size(output: Any) -> int:
    return len(json.dumps(output, ensure_ascii=False).encode())


PLAIN: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (3, 3),
    (2.5, 2.5),
    (float("nan"), "nan"),
    ("text\0", "text\ufffd"),
    ("\ud800", "?"),
    ([1, (2, {3})], [1, [2, [3]]]),
    ({"a": 1, 2: Season.AUTUMN}, {"a": 1, "2": "autumn"}),
    (Point(x=1), {"x": 1, "label": "a"}),
    (
        Row(at=datetime.date(2026, 1, 2), point=Point(x=1)),
        {"at": "2026-01-02", "point": {"x": 1, "label": "a"}},
    ),
    (numpy.float64(0.5), 0.5),
    (numpy.int8(4), 4),
    (pandas.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
    (Decimal("1.10"), "1.10"),
    (Path("a") / "b", str(Path("a") / "b")),
    (b"\x00\xff", "<2 bytes>"),
    (10**5000, "<an integer of 16,610 bits>"),
    (Broken(), "<Broken whose repr raised RuntimeError>"),
]


def test_values_become_plain_json() -> None:
    for value, output in PLAIN:
        assert output_of(value) == output
        json.dumps(output_of(value), allow_nan=False)


def test_frames_and_arrays_become_their_summary_as_attachments_have_it() -> None:
    frame = pandas.DataFrame({"month": ["Jan", "Feb"], "rate": [0.02, 0.31]})
    assert output_of(frame).startswith("pandas DataFrame: 2 rows × 2 columns.")
    assert "| rate | float64 | 0 |" in output_of(frame)
    assert output_of(polars.DataFrame({"a": [1]})).startswith("polars DataFrame: 1 row × 1 column.")
    assert output_of({"first": frame["rate"]})["first"].startswith("pandas DataFrame: 2 rows")
    assert output_of(numpy.zeros((2, 3))).startswith("numpy array of float64: 2 rows × 3 columns.")
    assert "2 × 3 × 4" in output_of(numpy.zeros((2, 3, 4)))


def made(value: Any, conceal: Any = str) -> tuple[Any, CallFiles]:
    files = CallFiles(conceal)
    return output_of(value, conceal, files), files


def names(files: CallFiles) -> list[tuple[str, str]]:
    return [(content.name, content.type) for content in files.contents]


def test_pictures_become_files_and_a_sentence_for_a_model_that_sees_none() -> None:
    figure = Figure()
    axes = figure.subplots()
    lines = axes.plot([[1, 2], [2, 1]])
    axes.set_title("Churn")
    text, files = made(figure)
    assert text == (
        "A figure with axes with 2 drawn objects (title 'Churn').\n"
        "[It is the image 'figure.png' of this result.]"
    )
    assert names(files) == [("figure.png", "image/png")]
    assert Image.open(BytesIO(files.contents[0].data)).format == "PNG"
    mixed, files = made({"seen": [axes, *lines], "n": 3, "image": Image.new("RGB", (4, 3))})
    assert mixed["seen"] == [text] * 3  # one figure is drawn once
    assert mixed["n"] == 3
    assert names(files) == [("figure.png", "image/png"), ("figure-2.png", "image/png")]
    assert made(files.contents[1].data)[0] == "[It is the image 'image.png' of this result.]"


def test_an_object_that_shows_itself_as_a_picture_is_one_and_a_broken_one_says_so() -> None:
    class Plot:
        def _repr_jpeg_(self) -> bytes:
            return b"\xff\xd8\xffjpeg"

    class Broken:
        def _repr_png_(self) -> bytes:
            raise RuntimeError("no screen")

    assert names(made([Plot(), Plot()])[1]) == [("figure.jpg", "image/jpeg")]  # equal bytes
    text, files = made(Broken())
    assert text.startswith("<Broken: The Broken cannot be drawn: its _repr_png_ raised Runtime")
    assert files.contents == []


def test_values_that_only_look_like_pictures_lose_no_result() -> None:
    """Once matplotlib is imported, its axes are looked for in every object."""

    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __repr__(self) -> str:
            return "odd"

    texts = pandas.Series(["a", None], dtype=object)
    found, files = made({"series": texts, "index": pandas.Index(["a"], dtype=object), "odd": Odd()})
    assert found["series"].startswith("pandas DataFrame: 2 rows")
    assert found["odd"] == "odd" or "Odd" in found["odd"]
    assert len(files.contents) >= 1
    assert CallFiles().add_displayed({"image/png": "é"}) is None


@pytest.mark.parametrize("library", [pandas, polars])
def test_a_table_with_a_secret_of_the_environment_is_not_kept(library: Any) -> None:
    secret = ENVIRONMENT["GITHUB_TOKEN"]
    conceal = Concealer(ENVIRONMENT).concealed
    for column in ([secret, "b"], [[secret], ["b"]]):
        text, files = made(library.DataFrame({"n": [1, 2], "of": column}), conceal)
        assert secret not in text
        assert "was not kept: it contains the value of a secret environment variable" in text
        assert files.contents == []
    assert len(made(library.DataFrame({"n": [1], "of": ["b"]}), conceal)[1].contents) == 1


def test_frames_become_tables_beside_their_summary() -> None:
    frame = pandas.DataFrame({"month": ["Jan", "Feb"], "rate": [0.02, 0.31]})
    text, files = made(frame)
    assert text.startswith("pandas DataFrame: 2 rows × 2 columns.")
    (table,) = files.contents
    assert text.endswith(f"[It is the file {table.name!r} of this result.]")
    assert Attachment(table.data, name=table.name).frame().equals(frame)
    sent, files = made(Attachment(frame, name="result"))
    assert sent.startswith("pandas DataFrame")
    assert files.contents[0].name.startswith("result.")
    assert made(polars.DataFrame({"a": [1]}))[1].contents[0].name.startswith("table.")
    many, files = made([pandas.DataFrame({"n": [n]}) for n in range(30)])
    assert len(files.contents) == 20
    assert many[29].startswith("pandas DataFrame: 1 row")


def test_what_has_no_room_in_the_output_is_whole_in_a_file() -> None:
    text, files = made("é" * 1_000_000)
    assert size(text) <= MAX_BYTES + 100
    assert text.endswith("[The whole is the file 'output.txt' of this result.]")
    assert files.contents[0].data.decode() == "é" * 1_000_000
    numbers, files = made({"numbers": list(range(100_000)), "text": "x" * 300_000})
    assert numbers["numbers"][-1].endswith("more items are left out")
    (whole,) = files.contents
    assert (whole.name, whole.type) == ("output.json", "application/json")
    assert json.loads(whole.data) == {"numbers": list(range(100_000)), "text": "x" * 300_000}
    assert made("x" * 1_000)[1].contents == []


def test_a_large_result_is_cut_and_tells_what_is_left_out() -> None:
    text = output_of("é" * 1_000_000)
    assert size(text) <= MAX_BYTES
    kept = text.count("é")
    assert text.endswith(f"… ({1_000_000 - kept:,} more characters are left out)")
    numbers = output_of(list(range(1_000_000)))
    assert numbers[-1] == f"… {1_000_000 - len(numbers) + 1:,} more items are left out"
    entries = output_of({f"k{n}": "x" * 100 for n in range(10_000)})
    assert entries["…"] == f"{10_000 - len(entries) + 1:,} more entries are left out"
    assert max(size(numbers), size(entries)) <= MAX_BYTES


def test_a_list_in_itself_and_a_deep_one_end() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert output_of(loop) == [1, "<more levels are left out>"]
    deep: Any = 0
    for _ in range(5_000):
        deep = [deep]
    assert "more levels" in json.dumps(output_of(deep))


# --------------------------------------------------------------------------------- failures


def test_a_failure_has_type_message_and_the_users_own_lines_only() -> None:
    def mean(values: str) -> Any:
        secret_of_a_local = "never shown"  # noqa: F841
        return json.loads(values)

    try:
        mean("{")
    except ValueError as error:
        text = failures.failure_text(error)
    assert text.startswith("JSONDecodeError: Expecting property name")
    assert "test_results.py, line" in text
    assert "return json.loads(values)" in text
    assert "never shown" not in text.replace('"never shown"', "")
    assert "decoder.py" not in text
    assert str(Path(__file__).parent) not in text


def test_a_failure_whose_text_is_huge_or_broken_is_bounded() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert failures.failure_text(Odd()) == "Odd"
    assert len(failures.failure_text(ValueError("x" * 1_000_000))) < 5_000


# ------------------------------------------------------------------------------------- keys

ENVIRONMENT = {
    "ANTHROPIC_API_KEY": "sk-ant-0123456789",
    "GITHUB_TOKEN": "ghp_abcdefghij",
    "DATABASE_URL": "postgresql://ada:correct-horse@db/x",
    "SHORT_KEY": "abc",
    "PATH": "/usr/bin:/bin",
    "KEYBOARD": "qwertz-layout",
}


def test_secrets_are_found_by_the_names_of_their_variables() -> None:
    assert secrets_of(ENVIRONMENT) == {
        "sk-ant-0123456789": "ANTHROPIC_API_KEY",
        "ghp_abcdefghij": "GITHUB_TOKEN",
        "correct-horse": "DATABASE_URL",
    }


def test_no_secret_of_the_environment_is_in_a_result_or_a_failure() -> None:
    conceal = Concealer(ENVIRONMENT).concealed
    output = output_of({"all": dict(ENVIRONMENT), "text": str(ENVIRONMENT) * 5_000}, conceal)
    failure = failures.failure_text(KeyError(ENVIRONMENT["GITHUB_TOKEN"]), conceal)
    _, files = made([str(ENVIRONMENT) * 5_000, pandas.DataFrame({"a": [1]})], conceal)
    for secret in secrets_of(ENVIRONMENT):
        assert secret not in json.dumps(output)
        assert secret not in failure
        assert all(secret.encode() not in content.data for content in files.contents)
    assert output["all"]["GITHUB_TOKEN"] == "[value of GITHUB_TOKEN]"
    assert output["all"]["PATH"] == "/usr/bin:/bin"


def test_a_secret_that_comes_in_pieces_is_held_back_until_it_is_whole() -> None:
    concealer = Concealer(ENVIRONMENT)
    assert concealer.held_back("the key is sk-ant-01") == len("sk-ant-01")
    assert concealer.held_back("nothing here") == 0
    assert (
        concealer.concealed("no sk-ant-0123456789 more") == "no [value of ANTHROPIC_API_KEY] more"
    )
