"""The hooks, a release, hosted CI and the package's metadata agree with each other."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import hooks

ROOT = Path(__file__).parents[2]
HOME = "https://github.com/jupyter-chat-stream/jupyter-chat-stream"


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


# ------------------------------------------------------------------------- commits, releases


def test_a_commits_files_go_to_the_tools_that_know_them() -> None:
    paths = [
        "labextension/src/thread/model.ts",
        "labextension/style/base.css",
        "labextension/package.json",
    ]
    eslint, stylelint, prettier = hooks.commands_for(paths)
    assert (eslint[1], eslint[-1]) == ("eslint", "src/thread/model.ts")
    assert (stylelint[1], stylelint[-1]) == ("stylelint", "style/base.css")
    assert prettier[1:2] + prettier[-3:] == [
        "prettier",
        "src/thread/model.ts",
        "style/base.css",
        "package.json",
    ]
    assert hooks.commands_for([]) == []


def test_the_releaser_finds_its_marks_around_the_unreleased_section() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    before, start, rest = changelog.partition("<!-- <START NEW CHANGELOG ENTRY> -->")
    entry, end, _ = rest.partition("<!-- <END NEW CHANGELOG ENTRY> -->")
    assert (bool(start), bool(end)) == (True, True)
    assert "## " not in before
    assert entry.count("\n## ") == 1


# ----------------------------------------------------------------------------------- metadata


def test_every_address_of_the_project_is_below_the_same_home() -> None:
    urls = project()["urls"]
    package = json.loads((ROOT / "labextension" / "package.json").read_text(encoding="utf-8"))
    assert {urls["Homepage"], package["homepage"]} == {HOME}
    for name in ("*.md", ".github/**/*.yml", "docs/*.py"):
        for path in ROOT.glob(name):
            found = re.findall(
                r"https://github\.com/jupyter-chat-stream[^\s)>\"]*", path.read_text()
            )
            assert all(address.startswith(HOME) for address in found), path


def test_hosted_ci_runs_every_python_that_the_package_claims() -> None:
    claimed = re.findall(r"Python :: (3\.\d+)", " ".join(project()["classifiers"]))
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == claimed
    assert project()["requires-python"] == f">={claimed[0]}"
    others = [entry["jupyterlab"] for entry in matrix["include"]]
    assert [*matrix["jupyterlab"], *others] == ["newest", "4.2", "pre-release"]


def test_jupyterlabs_extension_manager_finds_the_server_half() -> None:
    package = json.loads((ROOT / "labextension" / "package.json").read_text(encoding="utf-8"))
    server = package["jupyterlab"]["discovery"]["server"]
    assert server == {"managers": ["pip"], "base": {"name": project()["name"]}}


@pytest.mark.parametrize("path", sorted(ROOT.glob(".github/**/*.yml")), ids=lambda path: path.name)
def test_every_workflow_and_template_is_readable(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8"))


def test_no_lock_file_names_a_host() -> None:
    lock = (ROOT / "labextension" / "yarn.lock").read_text(encoding="utf-8")
    assert not re.findall(r"https?://[^\"\s]+", lock)
    assert not list(ROOT.glob("labextension/package-lock.json"))
