"""What the pages show as code works: typed in as it stands there, against a real server."""

from __future__ import annotations

import doctest
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream import Chat
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from tests.kernel.harness import JupyterServer

DOCS = Path(__file__).parents[2] / "docs"
README = "../README.md"


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code of one language on a page, in their order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.usefixtures("here")
def test_every_example_of_the_api_page_shows_what_happens() -> None:
    session = "\n".join(blocks("api.md", "pycon"))
    example = doctest.DocTestParser().get_doctest(session, {}, "api.md", "docs/api.md", 0)
    assert len(example.examples) > 20
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert result.failed == 0, "".join(report)


@pytest.mark.usefixtures("here")
def test_every_example_of_the_readme_runs_as_it_stands_there() -> None:
    names: dict[str, Any] = {}
    Chat().preferences(default_model="demo/echo")
    try:
        for block in blocks(README, "python"):
            exec(block, names)  # the page's own words
        assert names["run"].next_question().prompt
        assert str(names["reply"]) == "And in Q3?"
    finally:
        Chat().preferences(default_model=None)
        names["chat"].cancel()
        for schedule in names["chat"].schedules():
            schedule.delete()


@pytest.fixture
def eliza(
    jupyter_environment: dict[str, str],
    tmp_path: Path,
    fresh_link: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """This process as a client of a server in which the provider of the page is installed."""
    site = tmp_path / "site"
    module, _ = blocks("providers.md", "python")
    project = tomllib.loads(blocks("providers.md", "toml")[0])["project"]
    metadata = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (site / "eliza.py").write_text(module, encoding="utf-8")
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\n")
    for group, entries in project["entry-points"].items():
        lines = [f"{name} = {target}" for name, target in entries.items()]
        (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    server = JupyterServer(jupyter_environment, tmp_path)
    paths = [str(site), server.environment["PYTHONPATH"]]
    server.environment["PYTHONPATH"] = os.pathsep.join(paths)
    server.start()
    monkeypatch.setenv(CONNECTION_ENV, str(server.connection))
    yield
    server.stop()


@pytest.mark.usefixtures("eliza")
def test_the_provider_of_the_page_answers_once_it_is_installed() -> None:
    chat = Chat("talk", model="eliza/doctor")
    assert str(chat.ask("I need a holiday.")) == "Why do you need a holiday?"
    _, question = blocks("providers.md", "python")
    reply = eval(question, {"Chat": Chat})  # the page's own words
    assert str(reply) == "Why do you need a holiday?"
    assert reply.model == "eliza/doctor"


def test_the_provider_of_the_page_is_as_short_as_it_is_said_to_be() -> None:
    module, _ = blocks("providers.md", "python")
    assert len(module.splitlines()) <= 60
