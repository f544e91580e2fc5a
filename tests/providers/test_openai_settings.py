"""Endpoints as the settings name them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_chat_stream.providers.endpoints import USUAL_LOCAL, all_endpoints
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import InvalidInput
from tests.providers.chat import KEY


def test_endpoints_may_be_set_as_json_on_the_command_line() -> None:
    given = {
        "gw": {
            "dialect": "chat",
            "base_url": "https://gw.example/v1/",
            "key_env": "GW_KEY",
            "headers": {"X-Team": "a"},
            "models": ["a/b:c"],
            "context_tokens": 8192,
        }
    }
    config = ChatStream(endpoints=json.loads(json.dumps(given)))
    found = {e.name: e for e in all_endpoints(config.endpoints, find_local=False)}
    assert list(found) == ["openai", "gw"]
    assert found["gw"].base_url == "https://gw.example/v1"
    assert found["gw"].models == ("a/b:c",)
    assert not found["gw"].is_local


def test_an_endpoint_that_is_there_is_changed_field_by_field() -> None:
    given = {"openai": {"key_env": "OTHER"}, "ollama": {"context_tokens": 32_768}}
    found = {e.name: e for e in all_endpoints(given, find_local=False)}
    assert found["openai"].base_url == "https://api.openai.com/v1"
    assert found["openai"].key_env == "OTHER"
    assert found["ollama"].base_url == "http://127.0.0.1:11434/v1"
    assert found["ollama"].context_tokens == 32_768


def test_the_usual_local_addresses_are_on_this_machine_and_take_no_key() -> None:
    assert {e.name for e in USUAL_LOCAL} == {"ollama", "llamacpp", "lmstudio", "vllm"}
    assert all(e.is_local and not e.needs_key and not e.headers for e in USUAL_LOCAL)
    assert all(e.base_url.startswith("http://127.0.0.1:") for e in USUAL_LOCAL)


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("anthropic", {"dialect": "chat"}, "another name"),
        ("anthropic", {"background": True}, "no 'background'"),
        ("demo", {"base_url": "http://x/v1"}, "another name"),
        ("a/b", {"base_url": "http://x/v1"}, "another name"),
        ("Ä", {"base_url": "http://x/v1"}, "another name"),
        ("gw", [], "an object"),
        ("gw", {}, "base_url"),
        ("gw", {"base_url": "x"}, "a URL"),
        ("gw", {"base_url": "ftp://x/v1"}, "a URL"),
        ("gw", {"base_url": "http://x:port/v1"}, "a URL"),
        ("gw", {"base_url": "http://x/v1\nHost: y"}, "a URL"),
        ("gw", {"base_url": f"https://me:{KEY}@x/v1"}, "key_file"),
        ("gw", {"base_url": f"https://x/v1?key={KEY}"}, "key_file"),
        ("gw", {"base_url": "http://x/v1", "key": KEY}, "no field 'key'"),
        ("gw", {"base_url": "http://x/v1", "dialect": "acp"}, "'dialect'"),
        ("gw", {"base_url": "http://x/v1", "dialect": ["chat"]}, "'dialect'"),
        ("gw", {"base_url": "http://x/v1", "background": 1}, "'background'"),
        ("gw", {"base_url": "http://x/v1", "key_env": KEY}, "'key_env'"),
        ("gw", {"base_url": "http://x/v1", "key_file": 1}, "'key_file'"),
        ("gw", {"base_url": "http://x/v1", "headers": {"a b": KEY}}, "'headers'"),
        ("gw", {"base_url": "http://x/v1", "headers": {"a": f"{KEY}\n"}}, "'headers'"),
        ("gw", {"base_url": "http://x/v1", "models": "a"}, "'models'"),
        ("gw", {"base_url": "http://x/v1", "models": ["x" * 161]}, "'models'"),
        ("gw", {"base_url": "http://x/v1", "context_tokens": True}, "'context_tokens'"),
        ("gw", {"base_url": "http://x/v1", "can": "images"}, "'can' must be a list"),
        ("gw", {"base_url": "http://x/v1", "can": ["see"]}, "documents, images, reasoning, tools"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_without_telling_a_key(
    name: str, fields: Any, said: str
) -> None:
    with pytest.raises(InvalidInput, match=r"--ChatStream\.endpoints") as caught:
        all_endpoints({name: fields}, find_local=True)
    assert said in caught.value.message
    assert KEY not in caught.value.message


def test_the_environments_address_is_openais_unless_the_settings_name_one() -> None:
    """A key that is meant for a gateway must not go to OpenAI."""
    environ = {"OPENAI_BASE_URL": "http://gw.example/v1", "OPENAI_API_KEY": KEY}
    for fields in ({}, {"openai": {"context_tokens": 8192}}):
        (openai,) = all_endpoints(fields, find_local=False)
        assert OpenAIProvider(openai, environ=environ).endpoint.base_url == "http://gw.example/v1"
    given = {"openai": {"base_url": "https://eu.api.openai.com/v1"}}
    (openai,) = all_endpoints(given, find_local=False)
    assert OpenAIProvider(openai, environ=environ).endpoint.base_url == given["openai"]["base_url"]


@pytest.mark.parametrize(
    ("fields", "dialect", "background"),
    [
        ({"base_url": "https://api.openai.com/v1"}, "responses", True),
        ({"base_url": "https://eu.api.openai.com/v1"}, "responses", True),
        ({"base_url": "https://api.openai.com/v1", "background": False}, "responses", False),
        ({"base_url": "https://api.openai.com/v1", "dialect": "chat"}, "chat", False),
        ({"base_url": "https://me.openai.azure.com/openai/v1"}, "chat", False),
        ({"base_url": "https://api.openai.com.example/v1"}, "chat", False),
        ({"base_url": "http://gw/v1", "dialect": "responses"}, "responses", False),
        (
            {"base_url": "http://gw/v1", "dialect": "responses", "background": True},
            "responses",
            True,
        ),
        ({"base_url": "http://gw/v1", "background": True}, "chat", False),
    ],
)
def test_the_address_decides_the_dialect_unless_a_setting_does(
    fields: dict[str, Any], dialect: str, background: bool
) -> None:
    found = {e.name: e for e in all_endpoints({"gw": fields}, find_local=False)}
    assert found["openai"].dialect == "responses"
    assert found["openai"].background
    assert (found["gw"].dialect, found["gw"].background) == (dialect, background)


def test_openais_address_in_the_environment_decides_the_dialect_too() -> None:
    (openai,) = all_endpoints({}, find_local=False)
    environ = {"OPENAI_BASE_URL": "http://gw.example/v1"}
    assert OpenAIProvider(openai, environ=environ).endpoint.dialect == "chat"
    (openai,) = all_endpoints({"openai": {"dialect": "responses"}}, find_local=False)
    endpoint = OpenAIProvider(openai, environ=environ).endpoint
    assert (endpoint.base_url, endpoint.dialect) == ("http://gw.example/v1", "responses")
    assert not endpoint.background
