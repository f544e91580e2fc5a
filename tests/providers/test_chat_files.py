"""Images, documents and what servers refuse, in Chat Completions."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    DocumentBlock,
    EndChunk,
    ImageBlock,
    ReasoningBlock,
    TextBlock,
    Turn,
    text_turn,
)
from jupyter_chat_stream.providers.endpoints import OPENAI, Endpoint
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.providers.sizes import describe
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeOpenAI
from tests.providers.chat import make_prompt, make_provider
from tests.providers.streams import collect, fail, text_of

PNG = b"\x89PNG\r\n\x1a\n0123"
HOSTED = Endpoint(name="lab", base_url="https://lab.example/v1")


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as made:
        yield made


@pytest.fixture
async def lab(server: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    made = make_provider(server.base_url)
    yield made
    await made.close()


async def test_images_and_documents_go_as_data_urls(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    asked = (
        TextBlock(text="What is odd?"),
        ImageBlock(name="plot.png", type="image/png", data=PNG),
        DocumentBlock(name="report.pdf", type="application/pdf", data=b"%PDF-1.7"),
        TextBlock(text=" "),
    )
    answer = (ReasoningBlock(data={"of": "another dialect"}), TextBlock(text="Nothing."))
    turns = (
        Turn(role="user", blocks=asked),
        Turn(role="assistant", blocks=answer),
        Turn(role="user", blocks=asked[1:2]),
    )
    await collect(lab, make_prompt(turns=turns))
    png = base64.b64encode(PNG).decode()
    pdf = base64.b64encode(b"%PDF-1.7").decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}}
    file = {"filename": "report.pdf", "file_data": f"data:application/pdf;base64,{pdf}"}
    assert server.requests[0].body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is odd?"},
                image,
                {"type": "file", "file": file},
            ],
        },
        {"role": "assistant", "content": "Nothing."},
        {"role": "user", "content": [image]},
    ]


async def test_a_server_that_refuses_to_count_tokens_is_asked_without_it_from_then_on(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.refuses = ("stream_options",)
    for _ in range(2):
        chunks = await collect(lab, make_prompt())
        assert isinstance(chunks[-1], EndChunk)
        assert chunks[-1].usage == {}
    assert ["stream_options" in request.body for request in server.requests] == [True, False, False]


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]},
        {"message": "Unrecognized request argument supplied: 'stream_options'"},
    ],
)
async def test_every_servers_way_to_name_an_argument_is_read(
    body: dict[str, Any], server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(Answer(status=422, body=body), Answer(text="fine"))
    assert text_of(await collect(lab, make_prompt())) == "fine"


async def test_another_refusal_is_told_after_one_request(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    error = {"message": "'messages' holds words of the stream options kind", "param": "messages"}
    server.add(Answer(status=400, body={"error": error}))
    _, failure = await fail(lab, make_prompt(turns=(text_turn("user", "stream_options"),)))
    assert type(failure) is errors.BadRequest
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("entry", "can"),
    [
        ({}, ()),
        (
            {
                "architecture": {"input_modalities": ["text", "image", "file"]},
                "supported_parameters": ["tools", "reasoning"],
            },
            ("reasoning", "tools", "images", "documents"),
        ),
        ({"capabilities": {"vision": True, "function_calling": True}}, ("tools", "images")),
        ({"capabilities": {"vision": "yes"}, "architecture": "gguf"}, ()),
    ],
)
def test_abilities_are_those_that_the_servers_list_tells(
    entry: dict[str, Any], can: tuple[str, ...]
) -> None:
    """OpenRouter's and Mistral's words; nothing is guessed."""
    assert describe(HOSTED, "x", {"id": "x", **entry}).can == can


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("gpt-6-astra", ("reasoning", "tools", "images", "documents")),
        ("gpt-5-mini", ("reasoning", "tools", "images", "documents")),
        ("gpt-5-chat-latest", ("tools", "images", "documents")),
        ("gpt-4.1", ("tools", "images", "documents")),
        ("ft:gpt-4o:me", ("tools", "images", "documents")),
        ("gpt-4-turbo", ("tools", "images", "documents")),
        ("gpt-4-0613", ("tools",)),
        ("gpt-4", ("tools",)),
        ("gpt-3.5-turbo", ("tools",)),
        ("o3", ("reasoning", "tools", "images", "documents")),
        ("o3-mini", ("reasoning", "tools")),
    ],
)
def test_openais_abilities_are_those_of_its_model_pages(name: str, can: tuple[str, ...]) -> None:
    """Its list of models tells none."""
    assert describe(OPENAI, name).can == can
