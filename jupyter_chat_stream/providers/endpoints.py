"""Endpoints: named addresses that each speak one dialect, as the settings name them.

``ChatStream.endpoints`` adds endpoints and changes the built-in ones: ``anthropic``, ``openai``,
and the usual local addresses of Ollama, llama.cpp's server, LM Studio and vLLM. A local endpoint
without a setting is asked on 127.0.0.1 only, and without a key.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from ..shared.errors import InvalidInput
from ..shared.spelling import did_you_mean

Dialect = Literal["chat", "messages", "responses"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
FIELDS = (
    "background", "base_url", "can", "context_tokens", "dialect", "headers", "key_env", "key_file",
    "models",
)  # fmt: skip
ABILITIES = ("documents", "images", "reasoning", "tools")
RESERVED_NAMES = ("demo",)  # a provider that calls no address
MAX_MODEL_NAME_CHARS = 160  # with the endpoint's name a model id stays below 200 characters
MAX_MODELS = 1_000

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A named address that speaks one dialect."""

    name: str
    base_url: str
    product: str = ""
    """The name of the server's program, for sentences; empty if it is not known."""
    given_dialect: Dialect | None = None
    """The dialect of the setting; None: the usual one of the address."""
    given_background: bool | None = None
    """Whether the setting wants answers that go on by themselves; None: OpenAI's own do."""
    takes_environment: bool = False
    """Whether ``OPENAI_BASE_URL`` or ``ANTHROPIC_BASE_URL`` may replace the address."""
    key_env: str | None = None
    """The environment variable that holds the key; None: no key is sent."""
    key_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    models: tuple[str, ...] = ()
    """The models to offer instead of the address's own list."""
    context_tokens: int | None = None
    can: tuple[str, ...] | None = None
    """The abilities of the models, if the setting tells them: of ``ABILITIES``."""
    is_configured: bool = True
    """False for the built-in endpoints without a setting."""

    @property
    def dialect(self) -> Dialect:
        """The dialect that the address speaks: OpenAI's own one there, ``chat`` elsewhere."""
        return self.given_dialect or ("responses" if self._is_openai_itself else "chat")

    @property
    def background(self) -> bool:
        """Whether an answer goes on by itself at the endpoint, so that it can be joined again."""
        if self.dialect != "responses":
            return False
        return self._is_openai_itself if self.given_background is None else self.given_background

    @property
    def root(self) -> str:
        """The address without the version of its API."""
        return self.base_url.removesuffix("/v1")

    @property
    def list_url(self) -> str:
        """The address of the list of models."""
        if self.dialect == "messages":  # a page of the list has 20 models unless more are asked for
            return f"{self.root}/v1/models?limit={MAX_MODELS}"
        return f"{self.base_url}/models"

    @property
    def is_local(self) -> bool:
        """Whether the address can only be this machine."""
        return is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def is_openai(self) -> bool:
        """Whether it has OpenAI's models: the newer ones do not take ``max_tokens``."""
        host = urlsplit(self.base_url).hostname or ""
        return self._is_openai_itself or host.endswith(".openai.azure.com")

    @property
    def _is_openai_itself(self) -> bool:
        return (urlsplit(self.base_url).hostname or "").endswith(".openai.com")

    @property
    def is_anthropic(self) -> bool:
        """Whether it is the Claude API itself: it refuses parameters that other servers take."""
        host = urlsplit(self.base_url).hostname or ""
        return self.name == "anthropic" or host.endswith(".anthropic.com")

    @property
    def needs_key(self) -> bool:
        return self.key_env is not None or self.key_file is not None

    @property
    def place(self) -> str:
        """Host and port as people write them: ``localhost:11434``."""
        parts = urlsplit(self.base_url)
        host = "localhost" if self.is_local else parts.hostname or ""
        return host if parts.port is None else f"{host}:{parts.port}"

    @property
    def title(self) -> str:
        """The subject of a sentence about this endpoint."""
        return self.product or f"The endpoint {self.name!r}"


CLAUDE = Endpoint(
    name="anthropic",
    base_url="https://api.anthropic.com",
    product="The Claude API",
    given_dialect="messages",
    key_env="ANTHROPIC_API_KEY",
    takes_environment=True,
    is_configured=False,
)
OPENAI = Endpoint(
    name="openai",
    base_url="https://api.openai.com/v1",
    product="OpenAI",
    key_env="OPENAI_API_KEY",
    takes_environment=True,
    is_configured=False,
)
USUAL_LOCAL = tuple(
    Endpoint(
        name=name, base_url=f"http://127.0.0.1:{port}/v1", product=product, is_configured=False
    )
    for name, port, product in (
        ("ollama", 11434, "Ollama"),
        ("llamacpp", 8080, "llama.cpp"),
        ("lmstudio", 1234, "LM Studio"),
        ("vllm", 8000, "vLLM"),
    )
)


def is_loopback(host: str) -> bool:
    """Return whether a host of a URL can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def all_endpoints(setting: Mapping[str, object], *, find_local: bool) -> tuple[Endpoint, ...]:
    """Return every endpoint of a process; ``anthropic`` only if the setting changes it.

    Args:
        setting: the setting ``ChatStream.endpoints``.
        find_local: whether the usual local addresses are endpoints without a setting.

    Raises:
        InvalidInput: the setting cannot be used.
    """
    built_in = {endpoint.name: endpoint for endpoint in (CLAUDE, OPENAI, *USUAL_LOCAL)}
    endpoints = {"openai": OPENAI}
    if find_local:
        endpoints |= {endpoint.name: endpoint for endpoint in USUAL_LOCAL}
    for name, fields in setting.items():
        endpoints[name] = _parse(name, fields, built_in.get(name))
    return tuple(endpoints.values())


def _parse(name: str, entry: Any, default: Endpoint | None) -> Endpoint:
    label = f"--ChatStream.endpoints: the endpoint {name!r}"
    if name in RESERVED_NAMES:
        raise InvalidInput(f"{label} cannot be replaced. Give yours another name.")
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{label} needs another name: at most 32 of a-z, 0-9, '.', '_' and '-', and a letter "
            "or a digit first."
        )
    if not isinstance(entry, Mapping):
        raise InvalidInput(f"{label} must be an object, such as {{'base_url': 'http://…/v1'}}.")
    for key in entry:
        if key not in FIELDS:
            hint = did_you_mean(str(key), FIELDS)
            raise InvalidInput(
                f"{label} has no field {key!r}.{hint} It takes: {', '.join(FIELDS)}."
            )
    if default is None and "base_url" not in entry:
        raise InvalidInput(f"{label} needs a 'base_url', such as 'http://localhost:8000/v1'.")
    base = default or Endpoint(name=name, base_url="")
    if base is CLAUDE and (entry.get("dialect", "messages") != "messages" or "background" in entry):
        raise InvalidInput(
            f"{label} speaks the dialect 'messages', and has no 'background'. Give an address of "
            "another dialect another name."
        )
    return Endpoint(
        name=name,
        product=base.product,
        given_dialect=_dialect(label, entry.get("dialect")) or base.given_dialect,
        given_background=_background(label, entry.get("background")),
        takes_environment=base.takes_environment and "base_url" not in entry,
        base_url=parse_base_url(label, entry["base_url"]) if "base_url" in entry else base.base_url,
        key_env=_key_env(label, entry.get("key_env", base.key_env)),
        key_file=_key_file(label, entry.get("key_file")),
        headers=_headers(label, entry.get("headers")),
        models=_models(label, entry.get("models")),
        context_tokens=_context_tokens(label, entry.get("context_tokens")),
        can=_can(label, entry.get("can")),
    )


def _dialect(label: str, value: Any) -> Dialect | None:
    if value is not None and value not in DIALECTS:
        dialects = " or ".join(repr(dialect) for dialect in DIALECTS)
        raise InvalidInput(f"{label}: 'dialect' must be {dialects}, not {value!r}.")
    return value


def _background(label: str, value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise InvalidInput(f"{label}: 'background' must be true or false.")
    return value


def parse_base_url(label: str, value: Any) -> str:
    """Check the address of an endpoint; raises InvalidInput, whose message begins with `label`."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_address = is_address and (parts.port is None or parts.port > 0)
    except ValueError:
        is_address = False
    if not is_address or not str(value).isascii() or any(char.isspace() for char in str(value)):
        raise InvalidInput(
            f"{label}: the address must be a URL such as 'http://localhost:8000/v1'."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidInput(
            f"{label}: the address may hold no user, password, query or fragment. A key belongs "
            "in the file or the variable that 'key_file' or 'key_env' names."
        )
    return str(value).rstrip("/")


def _key_env(label: str, value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and _ENV_NAME.fullmatch(value)):
        raise InvalidInput(f"{label}: 'key_env' must be the name of an environment variable.")
    return value


def _key_file(label: str, value: Any) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise InvalidInput(f"{label}: 'key_file' must be the path of a file that holds the key.")
    return Path(value).expanduser()


def _headers(label: str, value: Any) -> Mapping[str, str]:
    if value is None:
        return {}
    fits = isinstance(value, Mapping) and all(
        isinstance(name, str) and _HEADER_NAME.fullmatch(name)
        and isinstance(text, str) and text.isascii() and text.isprintable()
        for name, text in value.items()
    )  # fmt: skip
    if not fits:  # without its value, which may be a key
        raise InvalidInput(f"{label}: 'headers' must be names of headers with a line of text each.")
    return dict(value)


def _models(label: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(map(is_model_name, value)):
        raise InvalidInput(
            f"{label}: 'models' must be a list of names with at most {MAX_MODEL_NAME_CHARS} "
            "characters each."
        )
    return tuple(value[:MAX_MODELS])


def is_model_name(value: Any) -> bool:
    """Return whether a model may have this name; it may hold ``/``, ``:`` and blanks."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_MODEL_NAME_CHARS
        and value.isprintable()
        and value == value.strip()
    )


def _context_tokens(label: str, value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 512:
        raise InvalidInput(f"{label}: 'context_tokens' must be a whole number, at least 512.")
    return value


def _can(label: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not all(ability in ABILITIES for ability in value):
        raise InvalidInput(f"{label}: 'can' must be a list of: {', '.join(ABILITIES)}.")
    return tuple(value)
