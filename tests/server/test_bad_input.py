"""Bad input: each gets a clear error with a code, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, Reply

FOREVER = {"chars_per_second": 1}


def is_refused(reply: Reply, status: int, code: str) -> bool:
    """Return whether the answer is this error, as JSON, with a sentence."""
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.error["message"].strip().endswith((".", "`", '"')), reply.error
    assert (reply.status, reply.error["code"]) == (status, code), reply.body
    return True


@pytest.mark.parametrize(
    "unknown", ["01JUNKJUNK", "a%20b", "%00", "%ff%fe", "x" * 500, "..", "%2F"]
)
async def test_an_unknown_thread_is_404_by_every_method(
    chat_server: ChatServer, unknown: str
) -> None:
    body = {"content": "Hi"}
    for method, path, sent in [
        ("GET", "", None),
        ("PATCH", "", {"title": "x"}),
        ("DELETE", "", None),
        ("GET", "/messages", None),
        ("POST", "/messages", body),
        ("GET", "/events", None),
        ("GET", "/runs", None),
    ]:
        reply = await chat_server.ask(method, f"threads/{unknown}{path}", sent)
        assert reply.status in (404, 400), (method, path, reply.body)
        assert reply.error["code"] in ("thread_not_found", "not_found", "bad_request")


async def test_an_unknown_run_is_404_by_every_method(chat_server: ChatServer) -> None:
    for method, path, sent in [
        ("GET", "", None),
        ("POST", "/cancel", None),
        ("POST", "/retry", None),
        ("POST", "/continue", None),
        ("POST", "/input", {"request_id": "r", "value": 1}),
    ]:
        reply = await chat_server.ask(method, f"runs/unknown{path}", sent)
        assert is_refused(reply, 404, "run_not_found")


async def test_an_unknown_message_is_404(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    for method, path, sent in [
        ("GET", "/messages?before=unknown", None),
        ("POST", "/messages", {"content": "Hi", "parent_id": "unknown"}),
        ("PATCH", "", {"head": "unknown"}),
    ]:
        reply = await chat_server.ask(method, f"threads/{thread_id}{path}", sent)
        assert is_refused(reply, 404, "message_not_found")


@pytest.mark.parametrize("path", ["", "/", "nothing", "threads/x/y/z", "runs/x/explode", "ws/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_address_is_404_in_json(
    chat_server: ChatServer, method: str, path: str
) -> None:
    url = chat_server.url.rstrip("/") if path == "" else chat_server.url
    reply = await chat_server.ask(method, path.lstrip("/"), url=url)
    assert is_refused(reply, 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "status", "GET, OPTIONS"),
        ("DELETE", "threads", "GET, POST, OPTIONS"),
        ("PUT", "threads/x", "GET, PATCH, DELETE, OPTIONS"),
        ("GET", "runs/x/cancel", "POST, OPTIONS"),
        ("TRACE", "me", "GET, PATCH, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    chat_server: ChatServer, method: str, path: str, allow: str
) -> None:
    reply = await chat_server.ask(method, path)
    assert is_refused(reply, 405, "method_not_allowed")
    assert reply.headers["Allow"] == allow


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"hello",
        b'{"content": "a" "b"}',
        b'{"content": NaN}',
        b'{"content": "x", "params": {"t": 1e999}}',
        b'{"content": "\xff\xfe"}',
        b"[" * 100_000,
        b'{"content": "x", "params": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}",
        b'{"content": "x", "params": {"n": ' + b"9" * 5000 + b"}}",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_malformed_json_is_invalid_json(chat_server: ChatServer, body: bytes) -> None:
    thread_id = await chat_server.thread()
    reply = await chat_server.ask("POST", f"threads/{thread_id}/messages", body)
    assert is_refused(reply, 400, "invalid_json")


@pytest.mark.parametrize("body", [[], "x", 3, None, True])
async def test_json_that_is_no_object_is_invalid_input(chat_server: ChatServer, body: Any) -> None:
    reply = await chat_server.ask("POST", "threads", json.dumps(body).encode())
    assert is_refused(reply, 400, "invalid_input")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "threads"),
        ("PATCH", "threads/{thread}"),
        ("PATCH", "me"),
        ("POST", "threads/{thread}/messages"),
        ("POST", "runs/{run}/input"),
        ("POST", "runs/{run}/cancel"),
    ],
)
async def test_an_unknown_field_is_refused_by_its_name(
    chat_server: ChatServer, method: str, path: str
) -> None:
    thread_id = await chat_server.thread()
    run_id = (await chat_server.send(thread_id))["run"]["id"]
    body = {"content": "x", "colour": "blue"} if path.endswith("messages") else {"colour": "blue"}
    reply = await chat_server.ask(method, path.format(thread=thread_id, run=run_id), body)
    assert is_refused(reply, 400, "invalid_input")
    if not path.endswith("input"):  # there, what is missing comes first
        assert "'colour'" in reply.error["message"]
    assert "blue" not in reply.error["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", 3),
        ("content", None),
        ("content", ["x"]),
        ("model", 3),
        ("model", ""),
        ("params", []),
        ("tools", {}),
        ("tools", ["x"]),
        ("context", "x"),
        ("context", [{"name": "x"}]),
        ("context", [{"name": "x", "text": "y", "z": 1}]),
        ("parent_id", 7),
        ("parent_id", ""),
    ],
)
async def test_a_wrong_type_in_a_message_names_its_field(
    chat_server: ChatServer, field: str, value: Any
) -> None:
    thread_id = await chat_server.thread()
    body = {"content": "x", field: value}
    reply = await chat_server.ask("POST", f"threads/{thread_id}/messages", body)
    assert is_refused(reply, 400, "invalid_input")
    assert reply.error["field"].split(".")[0] == field


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "threads", {"name": 1}, "name"),
        ("POST", "threads", {"name": ""}, "name"),
        ("POST", "threads", {"title": "x" * 501}, "title"),
        ("POST", "threads", {"project": {}}, "project"),
        ("PATCH", "threads/{thread}", {"archived": "yes"}, "archived"),
        ("PATCH", "threads/{thread}", {"archived": None}, "archived"),
        ("PATCH", "threads/{thread}", {"archived": 1}, "archived"),
        ("PATCH", "threads/{thread}", {"model": None}, "model"),
        ("PATCH", "me", {"system": 1}, "system"),
        ("PATCH", "me", {"on_crash": "panic"}, "on_crash"),
    ],
)
async def test_a_wrong_type_in_settings_names_its_field(
    chat_server: ChatServer, method: str, path: str, body: Any, field: str
) -> None:
    thread_id = await chat_server.thread()
    reply = await chat_server.ask(method, path.format(thread=thread_id), body)
    assert is_refused(reply, 400, "invalid_input")
    assert reply.error["field"] == field


@pytest.mark.parametrize("content", ["", " ", "\n\t\u2003"])
async def test_empty_content_is_refused(chat_server: ChatServer, content: str) -> None:
    thread_id = await chat_server.thread()
    reply = await chat_server.ask("POST", f"threads/{thread_id}/messages", {"content": content})
    assert is_refused(reply, 400, "invalid_input")
    assert reply.error["field"] == "content"


async def test_a_missing_content_is_refused(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    reply = await chat_server.ask("POST", f"threads/{thread_id}/messages")
    assert is_refused(reply, 400, "invalid_input")
    assert reply.error["message"] == "'content' is missing."


async def test_one_megabyte_of_content_is_taken_and_one_byte_more_is_not(
    chat_server: ChatServer,
) -> None:
    thread_id = await chat_server.thread()
    path = f"threads/{thread_id}/messages"
    most = "é" * (512 * 1024)  # 3 MB of JSON, where its writer escapes it
    assert (await chat_server.ask("POST", path, {"content": most})).status == 202
    reply = await chat_server.ask("POST", path, {"content": most + "x"})
    assert is_refused(reply, 413, "content_too_large")


async def test_a_heavy_context_is_413(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    context = [{"name": "notebook", "text": "x" * (1024 * 1024 + 1)}]
    reply = await chat_server.ask(
        "POST", f"threads/{thread_id}/messages", {"content": "x", "context": context}
    )
    assert is_refused(reply, 413, "content_too_large")


@pytest.mark.parametrize("chunked", [False, True])
async def test_ten_megabytes_are_413_and_the_connection_lives(
    chat_server: ChatServer, chunked: bool
) -> None:
    thread_id = await chat_server.thread()
    body = b'{"content": "' + b"x" * 10_000_000 + b'"}'

    async def pieces(write: Any) -> None:
        for start in range(0, len(body), 65536):
            await write(body[start : start + 65536])

    options: dict[str, Any] = {"body_producer": pieces} if chunked else {}
    reply = await chat_server.ask(
        "POST", f"threads/{thread_id}/messages", None if chunked else body, **options
    )
    assert is_refused(reply, 413, "content_too_large")
    state = await chat_server.ask("GET", f"threads/{thread_id}/messages")
    assert state.json["messages"] == []


async def test_what_is_longer_than_anybody_means_is_not_even_read(chat_server: ChatServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", chat_server.app.port)
    writer.write(
        f"POST {chat_server.app.base_url}api/chat-stream/threads HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nAuthorization: token {chat_server.token}\r\n"
        "Content-Length: 100000000\r\n\r\n".encode()
    )
    answer = (await reader.read()).decode()  # to its end: the server hangs up
    assert answer.startswith("HTTP/1.1 413")
    assert '"content_too_large"' in answer
    writer.close()


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "1e3", "%20", "0x1", "9" * 30, "١"])
async def test_a_cursor_that_is_no_number_is_400(chat_server: ChatServer, after: str) -> None:
    thread_id = await chat_server.thread()
    reply = await chat_server.ask("GET", f"threads/{thread_id}/events?after={after}")
    assert is_refused(reply, 400, "invalid_input")
    assert reply.error["field"] == "after"


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_cursor_beyond_the_end_is_409(chat_server: ChatServer, accept: str) -> None:
    thread_id = await chat_server.thread()
    reply = await chat_server.ask(
        "GET",
        f"threads/{thread_id}/events?after=999",
        headers={**chat_server.headers, "Accept": accept},
    )
    assert is_refused(reply, 409, "cursor_ahead")
    assert reply.error["seq"] == 1


@pytest.mark.parametrize(
    "query",
    ["wait=61", "wait=-1", "wait=x", "wait=inf", "wait=nan", "raw=maybe"],
)
async def test_a_wrong_argument_of_following_is_400(chat_server: ChatServer, query: str) -> None:
    thread_id = await chat_server.thread()
    reply = await chat_server.ask("GET", f"threads/{thread_id}/events?{query}")
    assert is_refused(reply, 400, "invalid_input")
    assert reply.error["field"] == query.split("=")[0]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=-1",
        "archived=perhaps",
        "before=yesterday",
        "before=2026-11-20T09:14:28",
        "before=9999999999",
        "before=2026-11-20T09:14:28.123Z,x",
        "before=yesterday,0123456789abcdefghjkmn",
        "q=" + "x" * 501,
        "q=%ff",
    ],
)
async def test_a_wrong_argument_of_listing_is_400(chat_server: ChatServer, query: str) -> None:
    reply = await chat_server.ask("GET", f"threads?{query}")
    assert is_refused(reply, 400, "invalid_input")
    assert reply.error["field"] == query.split("=")[0]


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "schlüssel"])
async def test_a_malformed_idempotency_key_is_400(chat_server: ChatServer, key: str) -> None:
    thread_id = await chat_server.thread()
    reply = await chat_server.ask(
        "POST",
        f"threads/{thread_id}/messages",
        {"content": "x"},
        headers={**chat_server.headers, "Idempotency-Key": key},
    )
    assert is_refused(reply, 400, "invalid_input")
    assert reply.error["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    "time",
    [
        "",
        "tomorrow",
        "2030-01-01",
        "2030-01-01T18:00:00",
        "2030-13-01T18:00:00Z",
        "2090-01-01T00:00:00Z",
        "x" * 41,
        1_800_000_000,
        True,
    ],
)
async def test_a_time_that_cannot_be_meant_is_refused(chat_server: ChatServer, time: Any) -> None:
    thread_id = await chat_server.thread()
    body = {"content": "x", "deliver_at": time}
    reply = await chat_server.ask("POST", f"threads/{thread_id}/messages", body)
    assert is_refused(reply, 400, "invalid_input")
    assert reply.error["field"] == "deliver_at"
    assert (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json["messages"] == []


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("demo/nothing", "no_such_model"),
        ("nobody/model", "no_such_model"),
        ("echo", "invalid_input"),
        ("demo/", "invalid_input"),
    ],
)
async def test_an_unknown_model_is_refused_where_it_is_named(
    chat_server: ChatServer, model: str, code: str
) -> None:
    thread_id = await chat_server.thread()
    for method, path, body in [
        ("POST", "threads", {"model": model}),
        ("PATCH", f"threads/{thread_id}", {"model": model}),
        ("PATCH", "me", {"default_model": model}),
        ("POST", f"threads/{thread_id}/messages", {"content": "x", "model": model}),
    ]:
        reply = await chat_server.ask(method, path, body)
        assert is_refused(reply, 400, code), (method, path)


async def test_a_missing_provider_key_fails_the_run_with_its_code(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    models = (await chat_server.ask("GET", "models")).json["models"]
    claude = next(model["id"] for model in models if model["provider"] == "anthropic")
    thread_id = await chat_server.thread(model=claude)
    reply = (await chat_server.answered(thread_id))["reply"]
    assert reply["status"] == "failed"
    assert reply["error"]["code"] == "missing_key"


async def test_a_retry_of_what_has_not_ended_is_409(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(model="demo/tour")
    run_id = (await chat_server.send(thread_id, params=FOREVER))["run"]["id"]
    for command in ("retry", "continue"):
        reply = await chat_server.ask("POST", f"runs/{run_id}/{command}")
        assert is_refused(reply, 409, "run_not_ended")


async def test_an_answer_to_no_question_is_409(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    run_id = (await chat_server.answered(thread_id))["run"]["id"]
    body = {"request_id": "q1", "value": "yes"}
    reply = await chat_server.ask("POST", f"runs/{run_id}/input", body)
    assert is_refused(reply, 409, "request_not_open")


async def test_a_name_that_is_taken_is_409(chat_server: ChatServer) -> None:
    await chat_server.thread(name="a")
    other = await chat_server.thread(name="b")
    reply = await chat_server.ask("PATCH", f"threads/{other}", {"name": "a"})
    assert is_refused(reply, 409, "conflict")


async def test_too_many_messages_are_429_with_the_time_to_come_back(
    start_server: StartServer,
) -> None:
    server = await start_server(ChatStream_messages_per_minute=1)
    thread_id = await server.thread()
    await server.send(thread_id)
    reply = await server.ask("POST", f"threads/{thread_id}/messages", {"content": "again"})
    assert is_refused(reply, 429, "limit_reached")
    assert 1 <= int(reply.headers["Retry-After"]) <= 60


async def test_what_nobody_foresaw_is_500_with_an_id_that_is_in_the_log(
    chat_server: ChatServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError(" ".join(["tell", "nobody"]))

    service = await chat_server.host.service()
    monkeypatch.setattr(service, "models", explode)
    chat_server.app.log.addHandler(caplog.handler)
    reply = await chat_server.ask("GET", "models")
    chat_server.app.log.removeHandler(caplog.handler)
    assert is_refused(reply, 500, "internal")
    assert reply.error["id"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "tell nobody" not in caplog.text
    assert "tell nobody" not in reply.body.decode()


async def test_nothing_is_lost_by_all_of_this(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    path = f"threads/{thread_id}"
    await chat_server.answered(thread_id, "Before")
    before = (await chat_server.ask("GET", f"{path}/messages")).json
    await chat_server.ask("POST", f"{path}/messages", b"{")
    await chat_server.ask("POST", f"{path}/messages", {"content": ""})
    await chat_server.ask("POST", f"{path}/messages", {"content": "x", "model": "no/model"})
    await chat_server.ask("PATCH", path, {"title": "x", "colour": 1})
    await chat_server.ask("GET", f"{path}/events?after=999")
    assert (await chat_server.ask("GET", f"{path}/messages")).json == before
