"""What gets installed is whole: one version, an enabled extension, the bundle in its place."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points, requires
from pathlib import Path

import pytest

import jupyter_chat_stream
from jupyter_chat_stream.kernel.chat import VIEW_VERSION
from scripts.frontend import BUNDLE, BUNDLED, FINGERPRINT, SOURCES, fingerprint

ROOT = Path(__file__).parents[2]
DISTRIBUTION = "jupyter-chat-stream"
LABEXTENSION = "share/jupyter/labextensions/jupyter-chat-stream"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names inside a wheel built from this tree with the bundle that is there."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "SKIP_JUPYTER_BUILDER": "1"},
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_the_installed_version_is_that_of_the_front_end() -> None:
    front_end = json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))
    assert front_end["version"] == jupyter_chat_stream.__version__


def test_a_kernel_asks_for_the_widget_that_the_front_end_registers() -> None:
    tokens = (SOURCES / "src" / "page" / "tokens.ts").read_text(encoding="utf-8")
    found = re.search(r"WIDGET_VERSION = '(.+)'", tokens)
    assert found is not None
    assert f"^{found[1]}" == VIEW_VERSION


def test_the_bundle_was_built_from_the_present_sources() -> None:
    built_from = (BUNDLE / FINGERPRINT).read_text(encoding="utf-8")
    assert built_from == fingerprint(SOURCES, BUNDLED)


def test_the_wheel_puts_the_bundle_where_jupyterlab_looks(wheel: list[str]) -> None:
    placed = [name.split(f"{LABEXTENSION}/")[1] for name in wheel if LABEXTENSION in name]
    assert {"package.json", "install.json"} <= set(placed)
    load = json.loads((BUNDLE / "package.json").read_text(encoding="utf-8"))["jupyterlab"]
    assert load["_build"]["load"] in placed


def test_the_wheel_enables_the_server_extension(wheel: list[str]) -> None:
    config = "etc/jupyter/jupyter_server_config.d/jupyter_chat_stream.json"
    assert any(name.endswith(f"data/data/{config}") for name in wheel)
    enabled = json.loads(
        (ROOT / "jupyter-config/server-config/jupyter_chat_stream.json").read_text(encoding="utf-8")
    )
    assert enabled["ServerApp"]["jpserver_extensions"] == {"jupyter_chat_stream": True}


def test_the_wheel_holds_every_module_and_the_bundle_once(wheel: list[str]) -> None:
    package = ROOT / "jupyter_chat_stream"
    modules = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.py")}
    assert modules <= set(wheel)
    assert [name for name in wheel if name.startswith("jupyter_chat_stream/labextension/")] == []


def test_the_wheel_tells_type_checkers_that_the_package_has_types(wheel: list[str]) -> None:
    assert "jupyter_chat_stream/py.typed" in wheel


def test_the_bundle_asks_for_the_oldest_jupyterlab_we_promise() -> None:
    built = json.loads((BUNDLE / "package.json").read_text(encoding="utf-8"))
    dependencies = built["dependencies"]
    assert re.match(r"\^4\.2(\.|$)", dependencies["@jupyterlab/application"])


def test_every_provider_entry_point_loads() -> None:
    found = entry_points(group="jupyter_chat_stream.providers")
    assert {"anthropic", "demo"} <= set(found.names)
    assert all(callable(point.load()) for point in found if point.name in ("anthropic", "demo"))


def test_the_command_line_entry_point_loads() -> None:
    (command,) = entry_points(group="console_scripts", name="jupyter-chat-stream")
    assert callable(command.load())


def test_the_labextension_is_named_as_jupyter_is_told() -> None:
    name = json.loads((SOURCES / "package.json").read_text(encoding="utf-8"))["name"]
    paths = jupyter_chat_stream._jupyter_labextension_paths()
    assert paths == [{"src": "labextension", "dest": name}]


def test_nothing_needed_at_run_time_is_left_to_an_extra() -> None:
    needed = {
        re.split(r"[^A-Za-z0-9-]", requirement)[0]
        for requirement in requires(DISTRIBUTION) or []
        if "extra ==" not in requirement
    }
    assert {"anthropic", "ipywidgets", "jupyter-server", "sqlalchemy", "sqlmodel"} <= needed
    assert not {"jupyterlab", "psycopg", "procrastinate", "litellm"} & needed


def test_importing_the_package_loads_neither_sql_nor_server() -> None:
    code = (
        "import sys, jupyter_chat_stream\n"
        "heavy = {'sqlalchemy', 'sqlmodel', 'pydantic', 'jupyter_server', 'anthropic', 'aiohttp'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
