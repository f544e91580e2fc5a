"""Keys that a person sets on the page: kept in a private file, used at once, and never shown."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth.identity import IdentityProvider, User
from tornado.web import RequestHandler

from jupyter_chat_stream.testing import FakeOpenAI
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, Reply

KEY = "sk-ant-page-0123456789"


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "chat-stream"


async def put(server: ChatServer, endpoint: str, body: Any = None) -> Reply:
    return await server.ask("PUT", f"endpoints/{endpoint}/key", body or {"key": KEY})


async def endpoint_of(server: ChatServer, name: str) -> dict[str, Any]:
    listed = (await server.ask("GET", "models?refresh=1")).json["endpoints"]
    return dict(next(one for one in listed if one["name"] == name))


async def test_a_key_is_kept_in_a_private_file_and_its_models_are_ready(
    start_server: StartServer, data_dir: Path
) -> None:
    server = await start_server(ChatStream_default_model=None)
    before = (await server.ask("GET", "models")).json
    assert before["default"] == "demo/tour"
    assert not any(model["ready"] for model in before["models"] if not model["canned"])

    done = await put(server, "anthropic", {"key": f" {KEY}\n"})
    assert (done.status, done.body) == (204, b"")
    path = data_dir / "anthropic.key"
    assert path.read_text() == f"{KEY}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert [one.name for one in data_dir.iterdir() if "key" in one.name] == ["anthropic.key"]

    after = (await server.ask("GET", "models")).json
    assert all(model["ready"] for model in after["models"] if model["endpoint"] == "anthropic")
    assert after["default"].startswith("anthropic/")
    thread = await server.thread()
    assert (await server.ask("GET", f"threads/{thread}")).json["model"] == after["default"]


async def test_a_removed_key_is_gone_from_the_disk_and_the_demo_is_the_default_again(
    start_server: StartServer, data_dir: Path
) -> None:
    server = await start_server(ChatStream_default_model=None)
    await put(server, "anthropic")
    assert (await endpoint_of(server, "anthropic"))["has_key"]
    for _ in range(2):  # what is not there can be removed, too
        assert (await server.ask("DELETE", "endpoints/anthropic/key")).status == 204
    assert not (data_dir / "anthropic.key").exists()
    listed = (await server.ask("GET", "models")).json
    assert listed["default"] == "demo/tour"
    assert not (await endpoint_of(server, "anthropic"))["has_key"]


async def test_a_new_key_replaces_the_old_one_and_lists_the_models_of_its_endpoint(
    start_server: StartServer, data_dir: Path
) -> None:
    with FakeOpenAI(models=["gpt-5.5"], needs_key=True) as fake:
        lab = {"base_url": fake.base_url, "key_env": "LAB_KEY"}
        server = await start_server(ChatStream_endpoints={"lab": lab})
        assert "no key" in (await endpoint_of(server, "lab"))["error"]
        for key in ("first-key", KEY):
            assert (await put(server, "lab", {"key": key})).status == 204
            lab_now = await endpoint_of(server, "lab")
            assert (lab_now["has_key"], lab_now["error"]) == (True, None)
            assert fake.other_requests[-1] == ("GET", "/v1/models", True)
        models = (await server.ask("GET", "models")).json["models"]
        assert [m["id"] for m in models if m["endpoint"] == "lab"] == ["lab/gpt-5.5"]
    assert (data_dir / "lab.key").read_text() == f"{KEY}\n"


async def test_a_key_is_in_no_answer_no_log_line_and_no_event(
    start_server: StartServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start_server()
    with caplog.at_level(logging.DEBUG):
        answers = [
            await put(server, "anthropic"),
            await put(server, "nowhere"),
            await put(server, "anthropic", {"key": f"{KEY} {KEY}"}),
            await put(server, "anthropic", {"key": KEY, KEY: 1}),
            await put(server, "anthropic", {"keys": KEY}),
            await put(server, "anthropic", f'{{"key": "{KEY}"'.encode()),
            await server.ask("GET", "models?refresh=1"),
            await server.ask("GET", "status"),
        ]
    assert [answer.status for answer in answers] == [204, 404, 400, 400, 400, 400, 200, 200]
    assert not any(KEY.encode() in answer.body for answer in answers)
    assert "key.set" in caplog.text
    assert KEY not in caplog.text
    with_key = [path for path in tmp_path.rglob("*") if path.is_file() and holds(path)]
    assert [path.name for path in with_key] == ["anthropic.key"]


def holds(path: Path) -> bool:
    return KEY.encode() in path.read_bytes()


@pytest.mark.parametrize(
    "key", ["", "  ", "two words", "one\ntwo", "kéy", "a\x00b", "tab\tkey", "x" * 5000, 7, None]
)
async def test_what_cannot_be_a_key_is_refused_and_the_old_key_stays(
    key: Any, start_server: StartServer, data_dir: Path
) -> None:
    server = await start_server()
    await put(server, "anthropic")
    refused = await put(server, "anthropic", {"key": key})
    assert (refused.status, refused.error["code"]) == (400, "invalid_input")
    assert refused.error["field"] == "key"
    if isinstance(key, str) and len(key) > 2:
        assert key not in refused.body.decode()
    assert (data_dir / "anthropic.key").read_text() == f"{KEY}\n"


async def test_a_key_of_the_environment_is_neither_replaced_nor_removed(
    start_server: StartServer, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-environment")
    server = await start_server()
    for refused in (
        await put(server, "anthropic"),
        await server.ask("DELETE", "endpoints/anthropic/key"),
    ):
        assert (refused.status, refused.error["code"]) == (409, "key_elsewhere")
        assert "ANTHROPIC_API_KEY" in refused.error["message"]
    now = await endpoint_of(server, "anthropic")
    assert (now["has_key"], now["can_set_key"]) == (True, False)
    assert "ANTHROPIC_API_KEY" in now["where_key"]
    assert not (data_dir / "anthropic.key").exists()


async def test_an_endpoint_without_a_key_and_one_that_is_not_there_take_none(
    start_server: StartServer,
) -> None:
    server = await start_server(
        ChatStream_endpoints={"lab": {"base_url": "http://127.0.0.1:9/v1"}},
        ChatStream_allowed_models=["demo/*", "lab/*"],
        ChatStream_default_model="demo/echo",
    )
    refused = await put(server, "lab")
    assert (refused.status, refused.error["code"]) == (409, "key_elsewhere")
    assert "key_env" in refused.error["message"]
    for name in ("nowhere", "demo", "anthropic"):  # anthropic is not among the allowed ones
        refused = await put(server, name)
        assert (refused.status, refused.error["code"]) == (404, "endpoint_not_found")
    listed = (await server.ask("GET", "models")).json["endpoints"]
    assert [(one["name"], one["needs_key"], one["can_set_key"]) for one in listed] == [
        ("lab", False, False)
    ]


async def test_an_administrator_turns_keys_of_the_page_off(
    start_server: StartServer, data_dir: Path
) -> None:
    server = await start_server(ChatStream_keys_from_page=False)
    for refused in (
        await put(server, "anthropic"),
        await server.ask("DELETE", "endpoints/anthropic/key"),
    ):
        assert (refused.status, refused.error["code"]) == (403, "key_page_off")
    assert not (await endpoint_of(server, "anthropic"))["can_set_key"]
    assert not (data_dir / "anthropic.key").exists()


async def test_where_workers_make_the_answers_the_pages_key_would_not_reach_them(
    start_server: StartServer,
) -> None:
    server = await start_server(ChatStream_run_in_server=False)
    refused = await put(server, "anthropic")
    assert (refused.status, refused.error["code"]) == (409, "key_elsewhere")
    assert "workers" in refused.error["message"]
    now = await endpoint_of(server, "anthropic")
    assert (now["has_key"], now["can_set_key"]) == (True, False)
    assert "workers" in now["where_key"]


async def test_only_a_person_who_may_set_a_key_learns_the_path_of_its_file(
    start_server: StartServer, data_dir: Path
) -> None:
    server = await start_server()
    assert str(data_dir / "anthropic.key") in (await endpoint_of(server, "anthropic"))["where_key"]
    kernel = {"Authorization": f"token {server.host.token}"}
    for_kernel = await server.ask("GET", "models", headers=kernel)
    off = await start_server(ChatStream_keys_from_page=False)
    for listed in (for_kernel, await off.ask("GET", "models")):
        places = [one["where_key"] for one in listed.json["endpoints"] if one["needs_key"]]
        assert places
        assert set(places) == {"a key file of the Jupyter server"}


async def test_a_kernel_may_not_set_a_key(start_server: StartServer, data_dir: Path) -> None:
    server = await start_server()
    headers = {"Authorization": f"token {server.host.token}"}
    refused = await server.ask("PUT", "endpoints/anthropic/key", {"key": KEY}, headers=headers)
    assert (refused.status, refused.error["code"]) == (403, "forbidden")
    listed = (await server.ask("GET", "models", headers=headers)).json["endpoints"]
    assert not any(one["can_set_key"] for one in listed)
    assert not (data_dir / "anthropic.key").exists()


class Colleagues(IdentityProvider):
    """Names everybody by the header X-Name."""

    def get_user(self, handler: RequestHandler) -> User | None:
        handler._token_authenticated = True  # type: ignore[attr-defined]
        name = handler.request.headers.get("X-Name")
        return User(username=name) if name else None


async def test_on_a_server_of_many_people_none_of_them_sets_the_key_of_all(
    start_server: StartServer, data_dir: Path
) -> None:
    server = await start_server(ServerApp_identity_provider_class=Colleagues)
    headers = {"X-Name": "ada"}
    refused = await server.ask("PUT", "endpoints/anthropic/key", {"key": KEY}, headers=headers)
    assert (refused.status, refused.error["code"]) == (403, "forbidden")
    listed = (await server.ask("GET", "models", headers=headers)).json["endpoints"]
    assert listed
    assert not any(one["can_set_key"] for one in listed)
    assert not (data_dir / "anthropic.key").exists()


async def test_a_key_file_that_cannot_be_written_is_named_and_stays(
    start_server: StartServer, tmp_path: Path
) -> None:
    path = tmp_path / "missing" / "lab.key"
    lab = {"base_url": "http://127.0.0.1:9/v1", "key_file": str(path)}
    server = await start_server(ChatStream_endpoints={"lab": lab})
    refused = await put(server, "lab")
    assert (refused.status, refused.error["code"]) == (409, "key_not_kept")
    assert str(path) in refused.error["message"]
    path.mkdir(parents=True)  # a folder in the file's place
    for refused in (await put(server, "lab"), await server.ask("DELETE", "endpoints/lab/key")):
        assert (refused.status, refused.error["code"]) == (409, "key_not_kept")
    assert path.is_dir()


async def test_a_link_to_a_key_file_stays_a_link(start_server: StartServer, tmp_path: Path) -> None:
    target, link = tmp_path / "real.key", tmp_path / "link.key"
    target.write_text("old")
    target.chmod(0o600)
    os.symlink(target, link)
    lab = {"base_url": "http://127.0.0.1:9/v1", "key_file": str(link)}
    server = await start_server(ChatStream_endpoints={"lab": lab})
    assert (await put(server, "lab")).status == 204
    assert link.is_symlink()
    assert target.read_text() == f"{KEY}\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
