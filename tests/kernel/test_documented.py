"""What the pages show as code works: typed in as it stands there, against a real server."""

from __future__ import annotations

import base64
import doctest
import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream import Attachment, Chat
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from jupyter_chat_stream.testing import Answer, FakeOpenAI
from tests.kernel.harness import JupyterServer
from tests.pages import blocks, saved

README = "../README.md"
PROVIDERS = "providers.md"
CHATLAS_MODEL = "openai-completions/tiny"
IMAGES = Path(__file__).parents[1] / "providers" / "images"


@pytest.mark.usefixtures("here")
def test_every_example_of_the_api_page_shows_what_happens() -> None:
    session = "\n".join(blocks("api.md", "pycon"))
    example = doctest.DocTestParser().get_doctest(session, {}, "api.md", "docs/api.md", 0)
    assert len(example.examples) > 20
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert result.failed == 0, "".join(report)


@pytest.mark.usefixtures("here")
def test_every_example_of_the_readme_runs_as_it_stands_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    Path("report.pdf").write_bytes(b"%PDF-1.7\n")
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
def upstream() -> Iterator[FakeOpenAI]:
    """The server of models that chatlas asks."""
    with FakeOpenAI() as made:
        yield made


@pytest.fixture
def installed(
    jupyter_environment: dict[str, str],
    tmp_path: Path,
    fresh_link: None,
    upstream: FakeOpenAI,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """This process as a client of a server in which the providers of the page are installed."""
    site = tmp_path / "site"
    project = tomllib.loads(saved(PROVIDERS, "pyproject.toml"))["project"]
    (metadata := site / "providers_of_the_page-0.1.0.dist-info").mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: providers-of-the-page\n")
    (group,) = project["entry-points"]
    points = {**project["entry-points"][group], "chatlas": "chatlas_models:create"}
    lines = [f"{name} = {target}" for name, target in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    for file in ("eliza.py", "chatlas_models.py"):
        (site / file).write_text(saved(PROVIDERS, file), encoding="utf-8")
    server = JupyterServer(jupyter_environment, tmp_path)
    paths = [str(site), server.environment["PYTHONPATH"]]
    server.environment["PYTHONPATH"] = os.pathsep.join(paths)
    server.environment["CHATLAS_MODELS"] = CHATLAS_MODEL
    arguments = {"base_url": upstream.base_url, "api_key": "none"}
    server.environment["CHATLAS_CHAT_ARGS"] = json.dumps(arguments)
    server.start()
    monkeypatch.setenv(CONNECTION_ENV, str(server.connection))
    yield
    server.stop()


@pytest.mark.usefixtures("installed")
def test_the_providers_of_the_page_answer_once_they_are_installed(upstream: FakeOpenAI) -> None:
    chat = Chat("talk", model="eliza/doctor")
    assert str(chat.ask("I need a holiday.")) == "Why do you need a holiday?"
    (question,) = [block for block in blocks(PROVIDERS, "python") if "Chat(" in block]
    reply = eval(question, {"Chat": Chat})  # the page's own words
    assert str(reply) == "Why do you need a holiday?"
    assert reply.model == "eliza/doctor"

    upstream.add(Answer(text="By chatlas.", thinking="How?"))
    image = (IMAGES / "plain.png").read_bytes()
    attached = Attachment(image, name="plain.png")
    reply = chat.ask("And you?", attached, model=f"chatlas/{CHATLAS_MODEL}")
    assert str(reply) == "By chatlas."
    assert reply.model == f"chatlas/{CHATLAS_MODEL}"
    messages = upstream.requests[-1].body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2 + ["user"]
    (shown,) = [part for part in messages[-1]["content"] if part["type"] == "image_url"]
    assert base64.b64decode(shown["image_url"]["url"].partition(",")[2]) == image


def test_the_first_provider_of_the_page_is_as_short_as_it_is_said_to_be() -> None:
    assert len(saved(PROVIDERS, "eliza.py").splitlines()) <= 60
