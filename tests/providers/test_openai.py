"""Chat Completions: the real SDK against the fake server, over real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    EndChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    text_turn,
)
from jupyter_chat_stream.providers.continuation import CONTINUE_MARK
from jupyter_chat_stream.providers.endpoints import OPENAI
from jupyter_chat_stream.providers.openai import OpenAIProvider, chat_request
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeOpenAI, reply_to
from jupyter_chat_stream.testing.fake_openai import DEFAULT_MODEL
from tests.providers.chat import HEADER_SECRET, make_prompt, make_provider
from tests.providers.streams import collect, text_of


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(needs_key=True) as made:
        yield made


@pytest.fixture
async def lab(server: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    """The endpoint ``lab``, which asks the fake server."""
    made = make_provider(server.base_url)
    yield made
    await made.close()


# ------------------------------------------------------------------------- what comes


async def test_an_answer_comes_in_pieces_and_ends_with_its_usage(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    usage = {
        "prompt_tokens": 1007,
        "completion_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 1000},
    }
    server.add(Answer(text="Grüße 👋 an alle", chunk_chars=3, usage=usage))

    chunks = await collect(lab, make_prompt())

    assert text_of(chunks) == "Grüße 👋 an alle"
    assert len(chunks) > 4
    assert chunks[-1] == EndChunk(
        stop_reason="end_turn",
        model=DEFAULT_MODEL,
        usage={
            "input_tokens": 7,
            "output_tokens": 21,
            "cache_read_tokens": 1000,
            "cache_write_tokens": 0,
        },
    )


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("model_length", "model_context_window_exceeded"),
        ("of_2030", "of_2030"),
    ],
)
async def test_a_finish_reason_becomes_one_of_the_common_words(
    reason: str, ours: str, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(Answer(text="x", stop_reason=reason))
    end = (await collect(lab, make_prompt()))[-1]
    assert isinstance(end, EndChunk)
    assert end.stop_reason == ours


@pytest.mark.parametrize(
    ("read", "written", "ours"),
    [
        (3500, 590, "model_context_window_exceeded"),
        (3096, 1000, "max_tokens"),
        (100, 500, "max_tokens"),
    ],
)
async def test_a_full_context_is_told_from_a_length_that_was_asked_for(
    read: int, written: int, ours: str, server: FakeOpenAI
) -> None:
    """Local servers say `length` for both."""
    usage = {"prompt_tokens": read, "completion_tokens": written}
    server.add(Answer(text="x", stop_reason="length", usage=usage))
    small = make_provider(server.base_url, context_tokens=4096)
    end = (await collect(small, make_prompt(max_tokens=1000)))[-1]
    await small.close()
    assert isinstance(end, EndChunk)
    assert end.stop_reason == ours


async def test_reasoning_comes_before_the_text(server: FakeOpenAI, lab: OpenAIProvider) -> None:
    server.add(Answer(thinking="First I wonder.", text="Then I know.", chunk_chars=4))
    chunks = await collect(lab, make_prompt())
    assert "".join(c.text for c in chunks if isinstance(c, ReasoningChunk)) == "First I wonder."
    assert text_of(chunks) == "Then I know."
    kinds = [type(chunk) for chunk in chunks]
    assert kinds.index(TextChunk) > max(i for i, k in enumerate(kinds) if k is ReasoningChunk)


THOUGHTS = {
    "OpenRouter": {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text"}]},
    "DeepSeek": {"reasoning_content": "hm"},
    "a server that changes the name": {"reasoning_content": "hm", "reasoning": "hm"},
    "Mistral": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
}


@pytest.mark.parametrize("name", THOUGHTS)
async def test_every_servers_way_to_send_reasoning_is_read_once(
    name: str, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(Answer(deltas=(THOUGHTS[name], {"content": "so"})))
    chunks = await collect(lab, make_prompt())
    assert chunks[:-1] == [ReasoningChunk(text="hm"), TextChunk(text="so")]


async def test_deltas_of_odd_forms_lose_nothing_and_break_nothing(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    odd: tuple[dict[str, Any], ...] = (
        {},
        {"content": None},
        {"content": ""},
        {"role": "assistant"},
        {"content": "a", "audio": None, "of_2030": [1, {"deep": None}]},
        {"content": 7},
        {"reasoning": {"not": "a text"}, "tool_calls": None, "refusal": None},
        {"content": [{"type": "text", "text": "b"}, {"type": "of_2030"}, "?"]},
    )
    server.add(Answer(deltas=odd))
    chunks = await collect(lab, make_prompt())
    assert text_of(chunks) == "ab"
    assert isinstance(chunks[-1], EndChunk)


# ------------------------------------------------------------------------- what is asked


def piece(arguments: str, *, name: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"tool_calls": [{**fields, "function": {"name": name, "arguments": arguments}}]}


ODD_CALLS: dict[str, tuple[dict[str, Any], ...]] = {
    "one index": (
        piece('{"x"', index=0, id="a", name="f"),
        piece(": 1}", index=0, id="a"),
        piece('{"y"', index=0, id="b", name="g"),
        piece(": 2}", index=0),
    ),
    "no index": (
        piece('{"x"', id="a", name="f"),
        piece(": 1}"),
        piece('{"y"', id="b", name="g"),
        piece(": 2}", id="b"),
    ),
    "a late name": (
        piece("", index=0, id="a"),
        piece('{"x": 1}', index=0, name="f"),
        piece("", index=1, id="b"),
        piece('{"y": 2}', index=1, name="g"),
    ),
    "a new id with each piece": (
        piece('{"x"', index=0, id="a", name="f"),
        piece(": 1}", index=0, id="z"),
        piece('{"y": 2}', index=1, id="b", name="g"),
    ),
}


@pytest.mark.parametrize("deltas", ODD_CALLS.values(), ids=ODD_CALLS)
async def test_every_servers_way_to_send_tool_calls_is_read(
    deltas: tuple[dict[str, Any], ...], server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(Answer(deltas=deltas, stop_reason="tool_calls"))
    chunks = await collect(lab, make_prompt())
    assert [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)] == [
        ToolCallChunk(tool_call_id="a", name="f", input={"x": 1}),
        ToolCallChunk(tool_call_id="b", name="g", input={"y": 2}),
    ]


async def test_the_request_carries_what_the_prompt_says(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    turns = (
        text_turn("user", "one"),
        text_turn("assistant", "two \n"),
        text_turn("user", "three", cache=True),
    )
    params = {
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "effort": "low",
        "tool_choice": {"type": "any"},
    }
    await collect(lab, make_prompt(turns=turns, system="Be brief.", max_tokens=99, params=params))

    asked = server.requests[0]
    assert asked.body == {
        "model": DEFAULT_MODEL,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two \n"},
            {"role": "user", "content": "three"},
        ],
        "max_tokens": 99,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "stop": ["END"],
        "reasoning_effort": "low",
        "tool_choice": "required",
    }
    assert asked.has_key
    assert asked.headers["x-tenant"] == HEADER_SECRET


def test_openai_itself_is_asked_for_a_length_by_its_new_name() -> None:
    arguments = chat_request.build(make_prompt(max_tokens=7), OPENAI)
    assert arguments["max_completion_tokens"] == 7
    assert "max_tokens" not in arguments


@pytest.mark.parametrize(
    "params",
    [
        {"colour": "blue"},
        {"thinking": True},
        {"temperature": 2.1},
        {"temperature": True},
        {"top_p": float("nan")},
        {"stop_sequences": []},
        {"stop_sequences": ["a"] * 5},
        {"effort": "heroic"},
        {"effort": ["low"]},
        {"seed": 1.5},
        {"tool_choice": {"type": "some"}},
        {"tool_choice": {"type": ["any"]}},
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_by_name(params: dict[str, Any]) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        chat_request.build(make_prompt(params=params), OPENAI)
    assert caught.value.facts["param"] in params


@pytest.mark.parametrize("cut", range(1, 70, 3))
async def test_a_cut_answer_is_gone_on_with_exactly(
    cut: int, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """Whatever the place: in a word, after a blank, after an empty line."""
    whole = "A list:\n\n- one  \n- two\n\n```python\n    x = 1\n```\n\nand then the end, at last."
    server.add(Answer(text=whole, chunk_chars=2))

    chunks = await collect(lab, make_prompt(partial=whole[:cut]))

    assert whole[:cut] + text_of(chunks) == whole
    asked = server.requests[0].body["messages"]
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    assert asked[1]["content"] == whole[:cut].rstrip()
    assert asked[2]["content"].startswith(CONTINUE_MARK)


@pytest.mark.parametrize("name", ["hf.co/org/Model-GGUF:Q4_K_M", "/models/a b.gguf", "x" * 160])
async def test_a_models_name_may_hold_slashes_colons_and_blanks(name: str) -> None:
    with FakeOpenAI(models=[name]) as server:
        lab = make_provider(server.base_url)
        assert text_of(await collect(lab, make_prompt(model=name))) == reply_to("hello")
        await lab.close()
    assert server.requests[0].body["model"] == name


# --------------------------------------------------------------------- keys and headers


@pytest.mark.parametrize("left_out", ["", "OPENAI_CUSTOM_HEADERS"])
async def test_an_endpoint_without_a_key_gets_none_and_nothing_that_is_meant_for_openai(
    left_out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK reads all of these, and would send them to any address."""
    ambient = {
        "OPENAI_API_KEY": "sk-of-openai",
        "OPENAI_ADMIN_KEY": "sk-admin",
        "OPENAI_ORG_ID": "org-secret",
        "OPENAI_PROJECT_ID": "proj-secret",
        "OPENAI_CUSTOM_HEADERS": "X-Gateway: gateway-secret\nAuthorization: Bearer sk-ambient",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    }
    for name, value in ambient.items():
        if name != left_out:
            monkeypatch.setenv(name, value)
    with FakeOpenAI() as server:
        lab = make_provider(server.base_url, key_env=None, headers={})
        await collect(lab, make_prompt())
        await lab.close()
    asked = server.requests[0]
    assert not asked.has_key
    said = json.dumps(asked.headers)
    assert "secret" not in said
    assert "sk-" not in said


async def test_a_new_key_is_used_without_a_restart(server: FakeOpenAI) -> None:
    environ: dict[str, str] = {}
    lab = make_provider(server.base_url, environ)
    assert not lab.is_ready()
    with pytest.raises(errors.MissingKey, match="LAB_KEY"):
        await collect(lab, make_prompt())
    assert not server.requests
    for key in ("sk-first", "sk-the-second"):
        environ["LAB_KEY"] = key
        assert lab.is_ready()
        assert text_of(await collect(lab, make_prompt())) == reply_to("hello")
    await lab.close()


def test_an_endpoint_does_not_show_its_headers() -> None:
    assert HEADER_SECRET not in repr(make_provider("http://127.0.0.1:1/v1").endpoint)


# -------------------------------------------------------------------------- connections


# ----------------------------------------------------------------------------- the extra


def test_without_the_extra_the_package_starts_and_says_what_to_install() -> None:
    code = """
import asyncio, sys
sys.modules["openai"] = None  # as where it is not installed: the import fails
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "openai" else found(name, *a)
from jupyter_chat_stream.providers.base import Prompt, text_turn
from jupyter_chat_stream.providers.registry import Registry
registry = Registry(endpoints={"lab": {"base_url": "http://127.0.0.1:1/v1"}})
(entry,) = [m for m in registry.models() if m["provider"] == "lab"]
assert "pip install 'jupyter-chat-stream[openai]'" in entry["error"], entry
assert [m for m in registry.models() if m["provider"] == "demo"]
async def ask():
    await registry.warm()
    provider, model = registry.get("lab/x")
    await anext(provider.stream(Prompt(model="x", turns=(text_turn("user", "hi"),))))
try:
    asyncio.run(ask())
except Exception as error:
    assert "jupyter-chat-stream[openai]" in str(error), error
else:
    sys.exit("no error")
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=False, timeout=60,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    """Server start-up must not pay for it."""
    code = (
        "import sys; from jupyter_chat_stream.providers.registry import Registry; "
        "Registry(find_local=True).models(); "
        "sys.exit(bool({'openai', 'httpx2', 'aiohttp', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
