"""The real model server of the tests is optional: without its wheel the set-up goes on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import model_server


@pytest.mark.parametrize("is_had", [True, False])
def test_only_a_wheel_is_installed_and_none_is_no_failure(
    is_had: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(model_server, "MODULES", ("no_such_module_of_2030",))
    monkeypatch.setattr(model_server, "run", lambda words, **_: asked.append(words) or is_had)
    model_server.ensure_model_server(Path(sys.executable))
    assert asked[0][-4:] == ["--only-binary", "xllamacpp", *model_server.PACKAGES]
    assert ("are skipped" in capsys.readouterr().out) is not is_had


def test_what_is_there_is_not_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_server, "MODULES", ("json",))
    monkeypatch.setattr(model_server, "run", lambda *_, **__: pytest.fail("it installed"))
    model_server.ensure_model_server(Path(sys.executable))
