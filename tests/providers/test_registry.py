"""Which providers there are, with and without strangers among them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncGenerator

import pytest

from jupyter_chat_stream.providers.base import Chunk, Model, Prompt, Provider
from jupyter_chat_stream.providers.registry import GROUP, Registry, split_model
from jupyter_chat_stream.shared.errors import BadRequest, NoSuchModel
from jupyter_chat_stream.testing import ScriptedProvider


class Stranger(Provider):
    """The least a third party can write: it lists one model, and inherits `model`."""

    name = "acme"

    def __init__(self) -> None:
        self.is_closed = False

    def models(self) -> tuple[Model, ...]:
        return (Model(name="one", label="One", context_tokens=1000, max_output_tokens=100),)

    def is_ready(self) -> bool:
        return True

    async def warm(self) -> None: ...

    async def _chunks(self) -> AsyncGenerator[Chunk, None]:
        none: tuple[Chunk, ...] = ()
        for chunk in none:
            yield chunk

    def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        return self._chunks()

    async def close(self) -> None:
        self.is_closed = True


class Impostor(Stranger):
    name = "demo"


def broken() -> Stranger:
    raise RuntimeError("no licence")


def install(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    """Pretend that other packages have registered these."""
    found = [
        importlib.metadata.EntryPoint(name=name, value=value, group=GROUP)
        for name, value in targets.items()
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: found)


HERE = __name__


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this module importable by its name, as an installed package is."""
    import sys

    monkeypatch.setitem(sys.modules, "acme_provider", sys.modules[HERE])


@pytest.mark.parametrize(
    ("model_id", "parts"),
    [
        ("demo/tour", ("demo", "tour")),
        ("litellm/openai/gpt-x", ("litellm", "openai/gpt-x")),
    ],
)
def test_a_model_id_is_split_at_its_first_slash(model_id: str, parts: tuple[str, str]) -> None:
    assert split_model(model_id) == parts


@pytest.mark.parametrize("model_id", ["", "demo", "/", "demo/", "/tour"])
def test_what_is_no_model_id_is_refused(model_id: str) -> None:
    with pytest.raises(BadRequest, match="provider/model"):
        split_model(model_id)


def test_the_built_in_providers_need_no_installed_metadata(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch)
    registry = Registry()
    assert set(registry.providers) == {"anthropic", "demo", "openai"}
    assert not registry.broken


def test_a_third_party_joins_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, acme="acme_provider:Stranger")
    provider, model = Registry().get("acme/one")
    assert provider.name == "acme"
    assert model.context_tokens == 1000


def test_a_broken_third_party_is_listed_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        monkeypatch,
        missing="no_such_module_anywhere:create",
        unlucky="acme_provider:broken",
        liar="acme_provider:Stranger",
        acme="acme_provider:Stranger",
    )
    registry = Registry()
    listed = {model["id"]: model for model in registry.models()}
    assert {"demo/tour", "acme/one"} <= set(listed)
    assert "no_such_module_anywhere" in str(listed["missing"]["error"])
    assert "no licence" in str(listed["unlucky"]["error"])
    assert "'acme'" in str(listed["liar"]["error"])
    assert not listed["unlucky"]["ready"]
    with pytest.raises(NoSuchModel, match="no licence"):
        registry.get("unlucky/x")


def test_a_third_party_that_fails_later_is_listed_with_its_error() -> None:
    class Failing(Stranger):
        def models(self) -> tuple[Model, ...]:
            raise OSError("disk on fire")

    registry = Registry([Failing(), ScriptedProvider()])
    listed = {model["id"]: model for model in registry.models()}
    assert listed["scripted/model"]["error"] is None
    assert "disk on fire" in str(listed["acme"]["error"])


def test_a_built_in_name_cannot_be_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, demo="acme_provider:Impostor")
    assert Registry().get("demo/tour")[1].canned


def test_a_model_that_is_not_listed_may_be_asked_for_with_small_sizes() -> None:
    registry = Registry([Stranger()])
    assert registry.get("acme/one")[1].label == "One"
    model = registry.get("acme/brand-new")[1]
    assert model.name == "brand-new"
    assert model.context_tokens <= 32_000


def test_unlisted_claude_models_may_be_asked_for_and_demo_ones_not() -> None:
    registry = Registry()
    assert registry.get("anthropic/claude-of-tomorrow")[1].context_tokens == 100_000
    with pytest.raises(NoSuchModel):
        registry.get("demo/of-tomorrow")


def test_an_unknown_provider_says_which_there_are() -> None:
    with pytest.raises(NoSuchModel, match="anthropic, demo"):
        Registry().get("nobody/x")


def test_every_model_has_the_same_fields_on_the_wire() -> None:
    models = Registry().models()
    assert models[0]["id"] == "anthropic/claude-sonnet-5-5"
    assert len({tuple(model) for model in models}) == 1
    assert not any(m["ready"] for m in models if m["provider"] == "anthropic")
    assert all(m["ready"] and m["canned"] for m in models if m["provider"] == "demo")


def test_only_allowed_models_are_listed_and_asked() -> None:
    registry = Registry(allowed=["demo/f*", "anthropic/claude-haiku-*"])
    ids = [model["id"] for model in registry.models()]
    assert {"demo/fast", "demo/fail"} <= set(ids)
    assert all(i.startswith(("demo/f", "anthropic/claude-haiku-")) for i in ids)
    assert registry.get("anthropic/claude-haiku-of-tomorrow")[1].name == "claude-haiku-of-tomorrow"
    with pytest.raises(NoSuchModel, match=r"demo/f\*, anthropic/claude-haiku-\*.*allowed_models"):
        registry.get("demo/tour")


async def test_a_model_that_was_allowed_once_is_not_asked_by_an_older_thread() -> None:
    """A thread and a schedule keep their model's name: the prompt's look-up refuses it."""
    with pytest.raises(NoSuchModel, match="does not allow"):
        await Registry(allowed=["demo/*"]).look_up("anthropic/claude-sonnet-5-5")


def test_where_no_model_is_allowed_none_is_listed() -> None:
    registry = Registry(allowed=[])
    assert registry.models() == []
    with pytest.raises(NoSuchModel, match="only: none"):
        registry.get("demo/tour")


def test_a_provider_that_is_not_allowed_shows_no_failure() -> None:
    given = {"lab": {"base_url": "http://127.0.0.1:1/v1", "key_env": "CHAT_STREAM_NO_SUCH_KEY"}}
    assert "lab" in {m["provider"] for m in Registry(endpoints=given).models()}
    listed = Registry(endpoints=given, allowed=["demo/*"]).models()
    assert {m["provider"] for m in listed} == {"demo"}


async def test_closing_closes_all_even_when_one_fails() -> None:
    class Failing(Stranger):
        name = "failing"

        async def close(self) -> None:
            raise OSError("stuck")

    stranger = Stranger()
    with pytest.raises(OSError, match="stuck"):
        await Registry([Failing(), stranger]).close()
    assert stranger.is_closed


async def test_warming_warms_all() -> None:
    await Registry().warm()
