"""The endpoint ``anthropic`` of the settings: it changes what it names, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.endpoints import all_endpoints
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeAnthropic, reply_to
from tests.providers.claude import KEY, make_prompt
from tests.providers.streams import collect, fail, text_of

HEADER_SECRET = "tenant-secret-42"


@pytest.fixture
def fake() -> Iterator[FakeAnthropic]:
    with FakeAnthropic() as made:
        yield made


def made_of(given: Mapping[str, object], **environ: str) -> AnthropicProvider:
    found = {one.name: one for one in all_endpoints({"anthropic": given}, find_local=False)}
    return AnthropicProvider(endpoint=found["anthropic"], environ=environ)


@pytest.fixture
async def lab(fake: FakeAnthropic) -> AsyncIterator[AnthropicProvider]:
    given = {"base_url": f"{fake.url}/v1", "key_env": "LAB_KEY", "headers": {"X-Team": "a"}}
    elsewhere = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_API_KEY": "sk-other"}
    made = made_of(given, LAB_KEY=KEY, **elsewhere)
    yield made
    await made.close()


async def test_the_address_key_and_headers_of_the_setting_are_used(
    fake: FakeAnthropic, lab: AnthropicProvider
) -> None:
    assert text_of(await collect(lab, make_prompt())) == reply_to("hello")
    assert fake.requests[0].headers["x-team"] == "a"
    assert lab.endpoint_facts().keys is not None
    assert lab.endpoint_facts().keys.env_key == "LAB_KEY"  # type: ignore[union-attr]


async def test_an_error_names_the_setting_and_quotes_no_header(fake: FakeAnthropic) -> None:
    lab = made_of(
        {"base_url": fake.url, "headers": {"X-Tenant": HEADER_SECRET}}, ANTHROPIC_API_KEY=KEY
    )
    fake.add(Answer(status=400, error_message=f"no tenant {HEADER_SECRET}"))
    _, error = await fail(lab, make_prompt())
    assert HEADER_SECRET not in error.message
    await lab.close()


def test_what_the_setting_does_not_name_stays(tmp_path: Path) -> None:
    lab = made_of({"context_tokens": 9_000}, ANTHROPIC_BASE_URL="https://gw.example")
    assert lab.api_url == "https://gw.example"
    assert {model.context_tokens for model in lab.models()} == {9_000}
    named = made_of({"models": ["claude-of-tomorrow"], "can": ["tools"]})
    assert [(model.name, model.can) for model in named.models()] == [
        ("claude-of-tomorrow", ("tools",))
    ]
    keyed = made_of({"key_file": str(tmp_path / "team.key")})
    with pytest.raises(errors.MissingKey, match=r"team\.key"):
        keyed.endpoint_facts().keys.read()  # type: ignore[union-attr]


def test_the_registry_makes_one_provider_of_it_in_its_usual_place() -> None:
    registry = Registry(endpoints={"anthropic": {"base_url": "https://gw.example"}})
    assert next(iter(registry.providers)) == "anthropic"
    provider = registry.providers["anthropic"]
    assert isinstance(provider, AnthropicProvider)
    assert provider.api_url == "https://gw.example"
