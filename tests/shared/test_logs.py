"""Log lines: a name and facts, as text and as JSON, for our own loggers alone."""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_chat_stream.shared import logs
from jupyter_chat_stream.shared.logs import JsonFormatter, Line


@pytest.fixture(autouse=True)
def loggers_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the package's logger as it was."""
    logger = logging.getLogger(logs.ROOT)
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (Line("run.ended", run="r1", s=1.5), "run.ended run=r1 s=1.5"),
        (Line("away", what="two words"), 'away what="two words"'),
        (Line("x", y='"q" = \\ and\nmore'), r'x y="\"q\" = \\ and\nmore"'),
        (Line("x", none=None, yes=True, empty="", zero=0), 'x yes=true empty="" zero=0'),
        (Line("x", forged="a\nrun.ended run=r2"), r'x forged="a\nrun.ended run=r2"'),
    ],
)
def test_a_line_is_one_line_whatever_its_facts_hold(line: Line, text: str) -> None:
    assert str(line) == text
    assert "\n" not in str(line)


def record(message: object, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(
        "jupyter_chat_stream.runs", logging.WARNING, "f.py", 1, message, arguments, None
    )


def test_json_gives_the_facts_as_fields() -> None:
    text = JsonFormatter().format(record(Line("run.ended", run="r1", s=1.5)))
    told = json.loads(text)
    assert (told["event"], told["run"], told["s"]) == ("run.ended", "r1", 1.5)
    assert (told["level"], told["logger"]) == ("warning", "jupyter_chat_stream.runs")
    assert "\n" not in text


def test_json_gives_what_is_no_line_of_ours_as_its_message() -> None:
    assert json.loads(JsonFormatter().format(record("%d things", 3)))["message"] == "3 things"


def test_facts_cannot_take_the_place_of_the_line_s_own_fields() -> None:
    told = json.loads(JsonFormatter().format(record(Line("x", level="debug", time="never"))))
    assert told["level"] == "warning"
    assert told["time"] != "never"


def test_text_is_left_to_handlers_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        logs.configure("text", logging.INFO)
        logging.getLogger("jupyter_chat_stream.runs").info(Line("run.begun"))
    finally:
        logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().err == ""


def test_configuring_twice_gives_one_line_and_nobody_else_s(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("json", logging.INFO)
    logs.configure("json", logging.INFO)
    logging.getLogger("jupyter_chat_stream.runs").info(Line("run.begun", run="r1"))
    logging.getLogger("jupyter_chat_stream.runs").debug(Line("too.much"))
    logging.getLogger("somebody_else").info("theirs")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "run.begun"


def test_every_name_is_documented_and_no_other() -> None:
    package = Path(logs.__file__).parents[1]
    written = {
        node.args[0].value
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        # `call.line` is the line of a tool call
        if getattr(node.func, "id", None) == "Line" or getattr(node.func, "attr", None) == "line"
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    text = (package.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = text.partition("| name | when | facts |")[2].splitlines()
    documented = {name for row in rows for name in re.findall(r"`([a-z._]+)`", row.split(" | ")[0])}
    assert written == documented


def test_the_package_logs_lines_only() -> None:
    """So that JSON has fields, and nobody's words get in by the way."""
    package = Path(logs.__file__).parents[1]
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if getattr(node.func.value, "id", None) != "log" or path.name == "refusals.py":
                continue  # refusals go to Jupyter's own log, as its requests do
            said = node.args[1] if node.func.attr == "log" else node.args[0]
            assert isinstance(said, ast.Call), f"{path.name}:{node.lineno}"
            assert getattr(said.func, "id", None) == "Line", f"{path.name}:{node.lineno}"
