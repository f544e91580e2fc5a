"""Reads the file ``mcp.json``, which lists the MCP servers and how to reach them.

The file is in a folder of Jupyter's configuration, never beside a notebook, because it names
commands that the server executes. A wrong entry affects only its own server. Values may name
environment variables, ``${NAME}`` or ``${NAME:-default}``. Only the MCP server gets the values, so
no sentence and no ``repr`` contains them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....shared.config import ChatStream
from ....shared.errors import McpServerUnavailable
from ....shared.json_objects import JsonView
from ....shared.secret_names import MIN_SECRET_CHARS, is_secret_name

FILE_NAME = "mcp.json"
MAX_FILE_BYTES = 1024 * 1024
MAX_SLUG_CHARS = 24
MAX_MCP_SERVERS = 64

_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_NOT_PLAIN = re.compile(r"[^a-zA-Z0-9-]+")
_HTTP_TYPES = (None, "http", "streamable-http", "streamableHttp", "streamable_http")


@dataclass(frozen=True, kw_only=True)
class StdioServer:
    """An MCP server that runs as a child process.

    ``mark`` changes with the command: another command is another server, whose tools need new
    consents (L13). ``secrets`` are values that must not appear in outputs.
    """

    name: str
    slug: str
    mark: str
    command: str
    args: tuple[str, ...] = field(repr=False)
    env: Mapping[str, str] = field(repr=False)
    cwd: str | None
    secrets: frozenset[str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class HttpServer:
    """An MCP server at an address (streamable HTTP)."""

    name: str
    slug: str
    mark: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    secrets: frozenset[str] = field(repr=False)


McpServer = StdioServer | HttpServer


@dataclass(frozen=True, kw_only=True)
class McpFile:
    """The valid servers of a file, and the problems of the other entries."""

    servers: tuple[McpServer, ...] = ()
    problems: tuple[McpServerUnavailable, ...] = ()


def find_file(config: ChatStream) -> Path | None:
    """Return the path of ``mcp.json``; None if the file does not exist."""
    from jupyter_core.paths import jupyter_config_path

    if config.mcp_config is not None:
        return Path(config.mcp_config).expanduser() if config.mcp_config else None
    places = (Path(folder) / FILE_NAME for folder in jupyter_config_path())
    return next((place for place in places if place.is_file()), None)


def read_file(path: Path, environment: Mapping[str, str] = os.environ) -> McpFile:
    """Read the file. Errors become problems in the result. Blocks."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            return _unreadable_file(path, f"It has more than {MAX_FILE_BYTES} bytes.")
        entries = json.loads(text).get("mcpServers")
    except OSError as error:
        return _unreadable_file(path, f"It cannot be read ({type(error).__name__}).")
    except json.JSONDecodeError as error:
        return _unreadable_file(path, f"It is no JSON: line {error.lineno}, column {error.colno}.")
    except (ValueError, AttributeError, RecursionError):
        return _unreadable_file(path, "It is no JSON object.")
    if not isinstance(entries, Mapping):
        return _unreadable_file(path, "It has no object 'mcpServers'.")
    servers: dict[str, McpServer] = {}
    problems: list[McpServerUnavailable] = []
    for name, entry in list(entries.items())[:MAX_MCP_SERVERS]:
        try:
            server = _server(name, entry, environment)
        except _WrongEntry as wrong:
            problems.append(McpServerUnavailable(name, str(wrong), slug=slug_of(name)))
            continue
        if server is None:
            continue
        if server.slug in servers:
            reason = f"Its name is too much like {servers[server.slug].name!r}. Rename it."
            problems.append(McpServerUnavailable(name, reason, slug=server.slug))
        else:
            servers[server.slug] = server
    return McpFile(servers=tuple(servers.values()), problems=tuple(problems))


def slug_of(name: str) -> str:
    """Return the prefix of the names of a server's tools.

    The prefix contains no ``__`` and does not end with ``_``, so the first ``__`` of a tool's name
    ends the prefix. A changed name gets a hash, so that two servers never have the same prefix.
    """
    plain = re.sub("_+", "_", _NOT_PLAIN.sub("_", name)).strip("_")
    if plain == name and len(name) <= MAX_SLUG_CHARS:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain[: MAX_SLUG_CHARS - 7].rstrip('_') or 'server'}-{digest}"


class _WrongEntry(ValueError):
    """An entry of the file is invalid; the message tells why, without any value."""


def _unreadable_file(path: Path, reason: str) -> McpFile:
    problem = McpServerUnavailable(None, f"{reason} Correct the file {str(path)!r}.")
    return McpFile(problems=(problem,))


def _server(name: str, entry: Any, environment: Mapping[str, str]) -> McpServer | None:
    """Read one entry; None for a disabled server."""
    if not isinstance(entry, Mapping):
        raise _WrongEntry("Its entry must be an object.")
    if entry.get("disabled") is True or entry.get("enabled") is False:
        return None
    expanded = _Expanded(environment)
    mark = _mark_of(entry)
    if "url" in entry:
        url, headers = _url(entry, expanded), expanded.texts(entry, "headers")
        words = {word for value in headers.values() for word in value.split()}
        return HttpServer(
            name=name,
            slug=slug_of(name),
            mark=mark,
            url=url,
            headers=headers,
            secrets=_long(expanded.values | words),
        )
    if "command" not in entry:
        raise _WrongEntry("Its entry needs a 'command' or a 'url'.")
    args = entry.get("args") or []
    if not isinstance(args, list):
        raise _WrongEntry("'args' must be a list of texts.")
    env = expanded.texts(entry, "env")
    secret_values = {value for variable, value in env.items() if is_secret_name(variable)}
    return StdioServer(
        name=name,
        slug=slug_of(name),
        mark=mark,
        command=expanded.text(entry["command"], "command"),
        args=tuple(expanded.text(arg, "args") for arg in args),
        env=env,
        cwd=None if entry.get("cwd") is None else expanded.text(entry["cwd"], "cwd"),
        secrets=_long(expanded.values | secret_values),
    )


def _mark_of(entry: JsonView) -> str:
    """Return a short hash of an entry's command or address, with variables not expanded."""
    identity = {name: entry.get(name) for name in ("command", "args", "cwd", "url")}
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def _long(values: set[str]) -> frozenset[str]:
    """Leave out short values, which occur in many texts by chance."""
    return frozenset(value for value in values if len(value) >= MIN_SECRET_CHARS)


def _url(entry: JsonView, expanded: _Expanded) -> str:
    if entry.get("type") not in _HTTP_TYPES:
        raise _WrongEntry("Its 'type' must be 'http' (streamable HTTP); 'sse' is out of date.")
    url = expanded.text(entry["url"], "url")
    if not url.startswith(("http://", "https://")):
        raise _WrongEntry("Its 'url' must begin with https:// or http://.")
    return url


class _Expanded:
    """Reads texts of the file, and replaces variables by their values."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.values: set[str] = set()
        """The used values of variables that have the name of a secret."""

    def text(self, value: Any, field: str) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise _WrongEntry(f"{field!r} must hold texts.")
        return _VARIABLE.sub(self._value, value)

    def texts(self, entry: JsonView, field: str) -> dict[str, str]:
        values = entry.get(field) or {}
        if not isinstance(values, Mapping):
            raise _WrongEntry(f"{field!r} must be an object of texts.")
        return {name: self.text(value, field) for name, value in values.items()}

    def _value(self, match: re.Match[str]) -> str:
        name, default = match.groups()
        value = self._environment.get(name, default)
        if value is None:
            raise _WrongEntry(
                f"The variable {name!r} of its entry is not set. Set it in the environment of the "
                f"Jupyter server, or write a default: ${{{name}:-…}}."
            )
        if is_secret_name(name):
            self.values.add(value)
        return value
