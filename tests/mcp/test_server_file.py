"""The file ``mcp.json``: what it may say, and what a wrong one tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.runs.tools.mcp.server_file import (
    HttpServer,
    StdioServer,
    find_file,
    read_file,
    slug_of,
)
from jupyter_chat_stream.shared.config import ChatStream

SECRET = "sk-secret-0815"


def read(tmp_path: Path, content: Any, **environment: str) -> Any:
    path = tmp_path / "mcp.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_file(path, environment)


def test_servers_are_processes_or_addresses(tmp_path: Path) -> None:
    entries = {
        "lab": {"command": "uvx", "args": ["lab"], "env": {"A": "1"}, "cwd": "/tmp"},
        "web": {"type": "http", "url": "https://example.org/mcp", "headers": {"X": "y"}},
        "off": {"command": "x", "disabled": True},
    }
    found = read(tmp_path, {"mcpServers": entries, "inputs": []})
    assert found.problems == ()
    lab, web = found.servers
    assert lab == StdioServer(
        name="lab",
        slug="lab",
        mark=lab.mark,
        command="uvx",
        args=("lab",),
        env={"A": "1"},
        cwd="/tmp",
        secrets=frozenset(),
    )
    assert web == HttpServer(
        name="web",
        slug="web",
        mark=web.mark,
        url="https://example.org/mcp",
        headers={"X": "y"},
        secrets=frozenset(),
    )


def test_another_command_or_address_is_another_server(tmp_path: Path) -> None:
    """L13: a consent to the tools of one is none to those of the other, whatever both list."""
    marks = set()
    for entry in [
        {"command": "a"},
        {"command": "b"},
        {"command": "a", "args": ["x"]},
        {"command": "a", "env": {"A": "a new value"}},
        {"url": "https://a"},
        {"url": "https://b"},
    ]:
        marks.add(read(tmp_path, {"mcpServers": {"lab": entry}}).servers[0].mark)
    assert len(marks) == 5, "a new value of a variable changes nothing"


def test_secrets_are_known_by_their_names_and_headers(tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer abcdefgh", "X-Short": "abc"}
    entries = {
        "web": {"url": "https://x/?key=${MY_KEY}", "headers": headers},
        "lab": {"command": "x", "args": ["${MY_KEY}", "${CITY}"], "env": {"TOKEN": "t" * 8}},
    }
    given = {"MY_KEY": "k" * 9, "CITY": "Samarkand"}
    web, lab = read(tmp_path, {"mcpServers": entries}, **given).servers
    assert web.secrets == {"k" * 9, "abcdefgh"}
    assert lab.secrets == {"k" * 9, "t" * 8}


def test_variables_of_the_environment_are_put_in(tmp_path: Path) -> None:
    entries = {
        "a": {
            "command": "${BIN:-/usr/bin}/x",
            "args": ["${env:USER}", "$HOME", "${A}${B}"],
            "env": {"TOKEN": "${TOKEN}"},
        }
    }
    given = {"USER": "ada", "A": "1", "B": "${A}", "TOKEN": SECRET}
    [server] = read(tmp_path, {"mcpServers": entries}, **given).servers
    assert server.command == "/usr/bin/x"
    assert server.args == ("ada", "$HOME", "1${A}"), "a value is put in once, as it is"
    assert server.env == {"TOKEN": SECRET}
    assert SECRET not in repr(server)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "no JSON: line 1, column 2"),
        ("[]", "no JSON object"),
        ('{"servers": {}}', "'mcpServers'"),
        ("[" * 100_000, "no JSON object"),
        (" " * (1024 * 1024 + 1), "more than 1048576 bytes"),
        ("\udcff", "no JSON"),
    ],
)
def test_a_broken_file_is_a_problem_that_names_the_file(
    tmp_path: Path, content: str, told: str
) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    found = read_file(path)
    [problem] = found.problems
    assert told in problem.message
    assert str(path) in problem.message
    assert (found.servers, problem.source) == ((), "mcp")


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    [problem] = read_file(tmp_path).problems
    assert "cannot be read" in problem.message


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (5, "must be an object"),
        ({}, "'command' or a 'url'"),
        ({"command": 5}, "'command'"),
        ({"command": "x\0"}, "'command'"),
        ({"command": "x", "args": "y"}, "'args'"),
        ({"command": "x", "args": [SECRET, 5]}, "'args'"),
        ({"command": "x", "env": {"A": 5}}, "'env'"),
        ({"command": "x", "env": [SECRET]}, "'env'"),
        ({"command": "${NOWHERE}", "env": {"A": SECRET}}, "'NOWHERE'"),
        ({"url": "ftp://x"}, "https://"),
        ({"url": f"https://x/?key={SECRET}", "type": "sse"}, "'sse'"),
    ],
)
def test_a_wrong_entry_spoils_only_its_own_server_and_tells_no_value(
    tmp_path: Path, entry: Any, told: str
) -> None:
    found = read(tmp_path, {"mcpServers": {"bad one": entry, "good": {"command": "x"}}})
    assert [server.name for server in found.servers] == ["good"]
    [problem] = found.problems
    assert told in problem.message
    assert "'bad one'" in problem.message
    assert SECRET not in problem.message
    assert problem.source == f"mcp:{slug_of('bad one')}"


def test_names_stay_apart_and_fit_into_the_names_of_tools() -> None:
    names = ["a", "a_", "a__b", "a_b", "A", "ä", "ö", "", "_", "x" * 24, "x" * 25, "x" * 26, "a b"]
    slugs = [slug_of(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all("__" not in slug and not slug.endswith("_") and len(slug) <= 24 for slug in slugs)
    assert [slug_of(name) for name in ("github", "my-db", "a_b")] == ["github", "my-db", "a_b"]


def test_a_name_that_is_the_changed_form_of_another_is_refused(tmp_path: Path) -> None:
    other = slug_of("a b")
    found = read(tmp_path, {"mcpServers": {"a b": {"command": "x"}, other: {"command": "y"}}})
    assert [server.name for server in found.servers] == ["a b"]
    assert "Rename it" in found.problems[0].message


def test_the_file_lies_in_jupyters_configuration_unless_a_setting_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mcp.json").write_text("{}")
    assert find_file(ChatStream()) is None, "a folder that somebody opens names no commands"
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "mcp.json").write_text("{}")
    assert find_file(ChatStream()) == tmp_path / "config" / "mcp.json"
    assert find_file(ChatStream(mcp_config="")) is None
    assert find_file(ChatStream(mcp_config="/etc/x.json")) == Path("/etc/x.json")
