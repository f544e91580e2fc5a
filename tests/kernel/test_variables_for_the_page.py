"""What the page learns of a kernel's variables: the code that it sends, run here on real values."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pandas
import polars

SOURCE = Path(__file__).parents[2] / "labextension" / "src" / "workspace" / "python.ts"


def scope() -> dict[str, Any]:
    """Run the code as a kernel would, in a scope of its own."""
    found = re.search(r"String\.raw`\n(.*?)`;", SOURCE.read_text(), re.DOTALL)
    assert found is not None
    functions: dict[str, Any] = {}
    exec(found[1], functions)
    return functions


def unpacked(text: str) -> Any:
    assert re.fullmatch(r"[A-Za-z0-9+/=]*", text), "its repr must be itself in quotes"
    return json.loads(base64.b64decode(text))


def listed(space: dict[str, Any], most: int = 200) -> tuple[dict[str, list[str]], int]:
    rows, more = unpacked(scope()["listing"](space, most, 160))
    return {row[0]: row[1:] for row in rows}, more


def test_variables_are_listed_with_type_shape_and_summary() -> None:
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    rows, more = listed(
        {
            "count": 3,
            "word": "it's",
            "things": [1, "two", None],
            "options": {"lr": 0.1, 2: "b"},
            "frame": frame,
            "column": frame["a"],
            "other": polars.DataFrame({"a": [1]}),
            "array": numpy.zeros((2, 3)),
            "function": lambda x, y=1: x,
        }
    )
    assert more == 0
    assert rows["count"] == ["int", "", "3"]
    assert rows["word"] == ["str", "4 characters", '"it\'s"']
    assert rows["things"] == ["list", "3 items", ""]
    assert rows["options"] == ["dict", "2 items", "lr, 2"]
    assert rows["frame"][:2] == ["DataFrame", "2 × 2"]
    assert rows["frame"][2].startswith("a int64, b ")
    assert rows["column"] == ["Series", "2", "int64"]
    assert rows["other"] == ["DataFrame", "1 × 1", "a Int64"]
    assert rows["array"] == ["ndarray", "2 × 3", "float64"]
    assert rows["function"] == ["function", "", "(x, y)"]


def test_modules_private_names_and_those_of_the_shell_are_left_out() -> None:
    shell = SimpleNamespace(user_ns_hidden={"In": [1], "exit": print})
    space = {"json": json, "_": 1, "__name__": "x", "get_ipython": lambda: shell, "mine": 1}
    space |= shell.user_ns_hidden
    assert set(listed(space)[0]) == {"get_ipython", "mine"}  # IPython hides its own
    space["exit"] = 5  # the reader's now
    assert "exit" in listed(space)[0]


def test_the_newest_variables_are_listed_and_the_others_counted() -> None:
    rows, more = listed({f"v{n}": n for n in range(10)}, most=3)
    assert list(rows) == ["v9", "v8", "v7"]
    assert more == 7


def test_the_listing_calls_no_code_of_an_unknown_class() -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

        def __repr__(self) -> str:
            raise AssertionError("repr")

        def __len__(self) -> int:
            raise AssertionError("len")

    class Odd(dict[str, int]):
        def __iter__(self) -> Any:
            raise AssertionError("iter")

    rows, _ = listed({"bad": Hostile(), "odd": Odd(), "big": 10**5000, "s": "x" * 10**6})
    assert rows["bad"] == ["Hostile", "", ""]
    assert rows["odd"] == ["Odd", "", ""]
    assert rows["big"] == ["int", "", ""]
    assert len(rows["s"][2]) <= 160


def test_a_variable_is_described_within_its_bound() -> None:
    frame = pandas.DataFrame({"a": range(1000)})
    describe = scope()["description"]
    space = {"frame": frame, "text": "ä" * 99, "things": list(range(10_000))}
    told = unpacked(describe(space, "frame", 500))
    assert told.startswith("DataFrame, 1000 × 1\na int64\n")
    assert " 19" in told
    assert " 20" not in told
    assert unpacked(describe(space, "text", 50)) == "str, 99 characters\n" + "ä" * 50
    assert len(unpacked(describe(space, "things", 20_000))) < 3_000
    assert unpacked(describe(space, "gone", 50)) is None
