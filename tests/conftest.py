"""What every test stands on: an empty home, no keys, no network but loopback.

Set before any test module is imported and inherited by every process a test starts, so that
nothing a person has configured on this machine can make a test pass or fail, and nothing a test
does can reach that person's Jupyter. The socket guard covers this process only.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.chromium import BROWSERS_VARIABLE, browsers_folder, find_chromium
from tests import sockets
from tests.guard import refuse_foreign_connections
from tests.postgres import Postgres

# Settings of whoever runs the tests that would reach into them, or slow them down.
FOREIGN_PREFIXES = ("ANTHROPIC_", "CLAUDE_", "IPYTHON", "JPY_", "JUPYTER", "OPENAI_", "PG")
PROXIES = ("all_proxy", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
FOREIGN_NAMES = (*PROXIES, "pythondontwritebytecode")
# Where each Python that is started finds these sources, and what makes its start quick.
ROOT = Path(__file__).parent.parent
# What each page would have its server do for nobody: check whether JupyterLab needs a build, and
# load all of nbconvert's exporters for two menus (half a second).
PAGE_CONFIG = {
    "buildAvailable": False,
    "buildCheck": False,
    "disabledExtensions": {
        f"@jupyterlab/notebook-extension:{menu}": True for menu in ("export", "update-raw-mimetype")
    },
}
PYTHONPATH = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "startup")])

_home: Path | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Make a home for this run, and keep it on this machine."""
    global _home
    browsers = browsers_folder()  # stays where the browsers were downloaded to
    _home = Path(tempfile.mkdtemp(prefix="chat-stream-tests-"))
    for name in list(os.environ):
        if name.upper().startswith(FOREIGN_PREFIXES) or name.lower() in FOREIGN_NAMES:
            del os.environ[name]
    os.environ.update(home_environment(_home), **{BROWSERS_VARIABLE: str(browsers)})
    os.environ["PYTHONPATH"] = PYTHONPATH
    refuse_foreign_connections()
    sockets.watch_sockets()
    config.pluginmanager.register(sockets)
    # A shell lets what it starts in the background ignore it: no kernel could be interrupted.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let some of the processes take the browser tests, and the others the rest."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.distribution import BrowsersApart

    return BrowsersApart(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if _home is not None:
        shutil.rmtree(_home, ignore_errors=True)


def home_environment(home: Path) -> dict[str, str]:
    """Make the folders of a fresh user under `home`; answer the variables that point there."""
    folders = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "JUPYTER_CONFIG_DIR": home / "jupyter" / "config",
        "JUPYTER_DATA_DIR": home / "jupyter" / "data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter" / "runtime",
        "XDG_CACHE_HOME": home / "cache",
        "XDG_CONFIG_HOME": home / "config",
        "XDG_DATA_HOME": home / "data",
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A person's own model server on its usual port must not be in a test's list of models.
    config = {"ChatStream": {"find_local_models": False}}
    (folders["JUPYTER_CONFIG_DIR"] / "jupyter_config.json").write_text(json.dumps(config))
    page = folders["JUPYTER_CONFIG_DIR"] / "labconfig" / "page_config.json"
    page.parent.mkdir(exist_ok=True)
    page.write_text(json.dumps(PAGE_CONFIG))
    return {name: str(folder) for name, folder in folders.items()}


@pytest.fixture
def jupyter_environment(tmp_path: Path) -> dict[str, str]:
    """A whole environment for one more server or kernel: this one, with a home of its own."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return {**os.environ, **home_environment(home)}


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser to drive: the system's, or the one Playwright downloaded."""
    found = find_chromium(prefers_shell=True)
    if found is None:
        pytest.fail(
            "No working Chromium: run `make test`, or install the package `chromium` "
            "(Debian, Ubuntu: apt install chromium)."
        )
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One Postgres for all plain suites; it may lose everything if the machine fails."""
    with Postgres(fsync=False) as server:
        yield server


@pytest.fixture
def fresh_postgres_url(postgres_server: Postgres) -> Iterator[Callable[[], str]]:
    """Makes empty databases, each gone with the test."""
    made: list[str] = []

    def make() -> str:
        made.append(postgres_server.create_database())
        return postgres_server.url(made[-1])

    yield make
    for name in made:
        postgres_server.drop_database(name)


@pytest.fixture
def postgres_url(fresh_postgres_url: Callable[[], str]) -> str:
    """An empty database of the shared server."""
    return fresh_postgres_url()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Postgres) -> str:
    """A database with our tables, to be copied."""
    from tests.prepared import prepare_postgres

    return prepare_postgres(postgres_server)


@pytest.fixture
def prepared_postgres_url(postgres_server: Postgres, postgres_template: str) -> Iterator[str]:
    """A database of the shared server that has our tables already."""
    name = postgres_server.create_database(postgres_template)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)
