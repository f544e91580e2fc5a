"""Who gets in, as whom, and what they may do."""

from __future__ import annotations

from typing import Any
from urllib.request import Request, urlopen

import pytest
from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.auth.identity import (
    IdentityProvider,
    LegacyIdentityProvider,
    PasswordIdentityProvider,
    User,
)
from tornado.httpclient import HTTPClientError

from jupyter_chat_stream.server.identity import ConnectionIdentity, owner_of, server_owner
from jupyter_chat_stream.shared import connection_file
from jupyter_chat_stream.shared.config import LOCAL_OWNER
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer

NO_ONES: dict[str, str] = {}
FOREIGN = {"Authorization": "token another-server-s"}
RANDOM = "0123456789abcdef0123456789abcdef"


class ByHeader(IdentityProvider):
    """Stands for a hub: a real name for each request, from outside the payload."""

    def get_user(self, handler: Any) -> User | None:
        name = handler.request.headers.get("X-User")
        return None if name is None else User(username=name)

    def is_token_authenticated(self, handler: Any) -> bool:
        return True


class ReadOnly(Authorizer):
    """Lets everybody look at the chat, and nobody touch it."""

    asked: list[tuple[str, str]] = []  # noqa: RUF012 - the server makes the instance

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return action == "read"


@pytest.mark.parametrize("headers", [NO_ONES, FOREIGN, {"Authorization": "Bearer "}])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "status"),
        ("GET", "threads"),
        ("POST", "threads"),
        ("GET", "threads/x/events"),
        ("POST", "runs/x/cancel"),
        ("GET", "ws"),
        ("GET", "nothing/of/that/name"),
        ("POST", "nothing/of/that/name"),
    ],
)
async def test_without_a_valid_token_everything_is_403_in_json(
    chat_server: ChatServer, method: str, path: str, headers: dict[str, str]
) -> None:
    reply = await chat_server.ask(method, path, headers=headers)
    assert reply.status == 403
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.error["code"] == "unauthenticated"
    assert "Location" not in reply.headers


async def test_a_stranger_s_ten_megabytes_get_their_answer_and_are_not_kept(
    chat_server: ChatServer,
) -> None:
    reply = await chat_server.ask("POST", "threads", b"x" * 10_000_000, headers=FOREIGN)
    assert (reply.status, reply.error["code"]) == (403, "unauthenticated")


async def test_it_stays_closed_where_jupyter_refuses_strangers_itself(
    start_server: StartServer,
) -> None:
    server = await start_server(ServerApp_allow_unauthenticated_access=False)
    for method, path in [("GET", "status"), ("POST", "threads"), ("GET", "x")]:
        reply = await server.ask(method, path, headers=FOREIGN)
        assert (reply.status, reply.error["code"]) == (403, "unauthenticated")
    assert (await server.ask("GET", "status")).status == 200


async def test_a_socket_without_a_valid_token_is_not_opened(chat_server: ChatServer) -> None:
    with pytest.raises(HTTPClientError, match="403"):
        await chat_server.socket(headers=FOREIGN)


@pytest.mark.parametrize("scheme", ["token", "Bearer", "bearer"])
async def test_the_connection_file_s_token_opens_this_api(
    chat_server: ChatServer, scheme: str
) -> None:
    headers = {"Authorization": f"{scheme} {connection_file.find().token}"}
    assert (await chat_server.ask("GET", "me", headers=headers)).json["owner"] == LOCAL_OWNER
    assert (await chat_server.ask("POST", "threads", {}, headers=headers)).status == 201
    socket = await chat_server.socket(headers=headers)
    await socket.send({"op": "ping"})
    assert await socket.next() == {"op": "pong"}
    socket.close()


async def test_the_connection_file_s_token_opens_nothing_else(chat_server: ChatServer) -> None:
    headers = connection_file.find().headers()
    for path in ("api/kernels", "api/contents", "api/sessions"):
        reply = await chat_server.ask("GET", path, url=chat_server.root, headers=headers)
        assert reply.status in (302, 403), path


async def test_the_connection_file_s_token_is_not_taken_from_an_address(
    chat_server: ChatServer,
) -> None:
    token = connection_file.find().token
    reply = await chat_server.ask("GET", f"status?token={token}", headers={})
    assert reply.status == 403


async def test_kernel_and_browser_own_the_same_threads(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(name="ours")
    for headers in (connection_file.find().headers(), chat_server.headers):
        listed = (await chat_server.ask("GET", "threads", headers=headers)).json["threads"]
        assert [thread["id"] for thread in listed] == [thread_id]
        assert listed[0]["owner"] == LOCAL_OWNER


async def test_a_cookie_alone_may_read_and_needs_the_xsrf_token_to_write(
    start_server: StartServer,
) -> None:
    server = await start_server(IdentityProvider_token="")  # a browser that has logged in
    url = f"http://127.0.0.1:{server.app.port}"
    read = {"Cookie": "_xsrf=2|abc", "Referer": url}
    assert (await server.ask("GET", "status", headers=read)).status == 200
    reply = await server.ask("POST", "threads", {}, headers=read)
    assert (reply.status, reply.error["code"]) == (403, "forbidden")
    assert "XSRF" in reply.error["message"] or "_xsrf" in reply.error["message"]


async def test_another_origin_is_refused_without_a_token(start_server: StartServer) -> None:
    server = await start_server(IdentityProvider_token="")
    headers = {"Origin": "http://evil.example"}
    reply = await server.ask("GET", "status", headers=headers)
    assert (reply.status, reply.error["code"]) == (403, "forbidden")
    with pytest.raises(HTTPClientError, match="403"):
        await server.socket(headers=headers)


async def test_another_host_s_name_is_refused(chat_server: ChatServer) -> None:
    headers = {**chat_server.headers, "Host": "rebound.example"}
    reply = await chat_server.ask("GET", "status", headers=headers)
    assert (reply.status, reply.error["code"]) == (403, "forbidden")
    assert "Host" in reply.error["message"]


async def test_the_authorizer_decides_by_action(start_server: StartServer) -> None:
    ReadOnly.asked.clear()
    server = await start_server(ServerApp_authorizer_class=ReadOnly)
    for method, path, body, action in [
        ("POST", "threads", {}, "write"),
        ("PATCH", "me", {}, "write"),
        ("PATCH", "threads/x", {}, "write"),
        ("DELETE", "threads/x", None, "write"),
        ("POST", "threads/x/messages", {"content": "x"}, "execute"),
        ("POST", "runs/x/cancel", None, "execute"),
        ("POST", "runs/x/retry", None, "execute"),
        ("POST", "runs/x/input", {}, "execute"),
        ("POST", "runs/x/tools/y/claim", {}, "execute"),
        ("POST", "runs/x/tools/y/output", {}, "execute"),
        ("POST", "runs/x/tools/y/result", {}, "execute"),
        ("PUT", "consents", {}, "execute"),
        ("DELETE", "consents/x", None, "execute"),
    ]:
        reply = await server.ask(method, path, body)
        assert (reply.status, reply.error["code"]) == (403, "forbidden"), (method, path)
        assert reply.error["action"] == action
    assert (await server.ask("GET", "threads")).status == 200
    (await server.socket()).close()
    assert {resource for _, resource in ReadOnly.asked} == {"chat-stream"}
    assert {action for action, _ in ReadOnly.asked} == {"read", "write", "execute"}


async def test_real_names_own_their_own_threads(start_server: StartServer) -> None:
    server = await start_server(ServerApp_identity_provider_class=ByHeader)
    ada, bob = {"X-User": "ada"}, {"X-User": "bob"}
    made = await server.ask("POST", "threads", {"name": "x"}, headers=ada)
    assert made.json["owner"] == "ada"
    thread_id = made.json["id"]
    assert (await server.ask("GET", "threads", headers=bob)).json == {"threads": []}
    reply = await server.ask("GET", f"threads/{thread_id}/messages", headers=bob)
    assert (reply.status, reply.error["code"]) == (404, "thread_not_found")
    socket = await server.socket(headers=bob)
    await socket.send({"op": "subscribe", "thread": thread_id, "after": 0})
    assert (await socket.next())["error"]["code"] == "thread_not_found"
    socket.close()


async def test_an_owner_in_the_payload_is_refused(chat_server: ChatServer) -> None:
    reply = await chat_server.ask("POST", "threads", {"owner": "root"})
    assert (reply.status, reply.error["code"]) == (400, "invalid_input")


def test_random_names_are_the_local_user() -> None:
    anonymous = User(RANDOM, "Anonymous Io", "Anonymous Io")

    class Inherited(PasswordIdentityProvider):
        pass

    for provider in (IdentityProvider(), PasswordIdentityProvider(), Inherited()):
        assert owner_of(provider, anonymous) == LOCAL_OWNER
    for name in (RANDOM, "anonymous"):
        assert owner_of(LegacyIdentityProvider(), User(name)) == LOCAL_OWNER


def test_real_names_are_themselves() -> None:
    assert owner_of(ByHeader(), User("ada")) == "ada"
    assert owner_of(ByHeader(), User(RANDOM)) == RANDOM  # a provider may well name users so
    assert owner_of(LegacyIdentityProvider(), User("ada")) == "ada"


def test_a_kernel_of_a_hub_s_server_is_the_hub_s_user(monkeypatch: pytest.MonkeyPatch) -> None:
    hubs = type("JupyterHubIdentityProvider", (ByHeader,), {"__module__": "jupyterhub.singleuser"})
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    assert server_owner(hubs()) == "ada"
    assert server_owner(PasswordIdentityProvider()) == LOCAL_OWNER
    assert owner_of(ConnectionIdentity("ada"), User("ada")) == "ada"


async def test_a_plain_client_of_the_standard_library_gets_in(chat_server: ChatServer) -> None:
    import asyncio

    found = connection_file.find()

    def ask() -> int:
        with urlopen(Request(f"{found.url}status", headers=found.headers()), timeout=10) as reply:
            return int(reply.status)

    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, ask) == 200
