"""The files for a JupyterHub are what its charts and our settings take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from traitlets.config import Config
from traitlets.config.loader import KVArgParseConfigLoader, PyFileConfigLoader

from jupyter_chat_stream.shared.config import ChatStream

FOLDER = Path(__file__).parents[2] / "docs" / "jupyterhub"


def values() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "values.yaml").read_text(encoding="utf-8"))


def worker() -> dict[str, Any]:
    found = yaml.safe_load((FOLDER / "workers.yaml").read_text(encoding="utf-8"))
    assert (found["apiVersion"], found["kind"]) == ("apps/v1", "Deployment")
    assert (
        found["spec"]["selector"]["matchLabels"] == found["spec"]["template"]["metadata"]["labels"]
    )
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return container


def checked(config: Config) -> ChatStream:
    """Return the settings, all of which must be known."""
    known = set(ChatStream.class_traits(config=True))
    assert set(config.ChatStream) <= known, set(config.ChatStream) - known
    assert set(config) == {"ChatStream"}
    return ChatStream(config=config)


def of_servers(folder: Path) -> ChatStream:
    (file,) = values()["singleuser"]["extraFiles"].values()
    assert file["mountPath"].endswith("/etc/jupyter/jupyter_server_config.py")
    (folder / "config.py").write_text(file["stringData"], encoding="utf-8")
    return checked(PyFileConfigLoader("config.py", path=str(folder)).load_config())


def of_workers() -> ChatStream:
    return checked(KVArgParseConfigLoader(worker()["args"], classes=[ChatStream]).load_config())


def test_servers_and_workers_share_a_database_and_only_workers_run(tmp_path: Path) -> None:
    servers, workers = of_servers(tmp_path), of_workers()
    assert servers.database_url == workers.database_url
    assert servers.database_url is not None
    assert servers.database_url.startswith("postgresql+psycopg://")
    assert not servers.run_in_server
    assert servers.max_active_runs_per_user == workers.max_active_runs_per_user
    assert worker()["command"] == ["jupyter", "chat-stream", "worker"]


def test_every_secret_comes_from_the_secret_and_the_key_is_the_workers_alone() -> None:
    of_server = values()["singleuser"]["extraEnv"]
    of_worker = {each["name"]: each for each in worker()["env"]}
    for found in (of_server, of_worker):
        assert found["PGPASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "chat-stream"
    assert "ANTHROPIC_API_KEY" in of_worker
    assert "ANTHROPIC_API_KEY" not in of_server
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml")]
    assert not any("chat:" in line for text in texts for line in text.splitlines() if "://" in line)


def test_workers_have_the_image_of_the_servers() -> None:
    image = values()["singleuser"]["image"]
    assert worker()["image"] == f"{image['name']}:{image['tag']}"
