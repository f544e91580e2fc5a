"""Images and documents in a prompt for Claude; the fake API checks them as the real one does."""

from __future__ import annotations

import base64

import pytest

from jupyter_chat_stream.providers.anthropic import AnthropicProvider, models
from jupyter_chat_stream.providers.anthropic.api_request import CLAUDE
from jupyter_chat_stream.providers.anthropic.request_arguments import build
from jupyter_chat_stream.providers.base import (
    Block,
    DocumentBlock,
    ImageBlock,
    ReasoningBlock,
)
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeAnthropic
from jupyter_chat_stream.testing.answers import cache_marks
from tests.providers.blocks import PDF, PNG, assistant, kinds, say, user
from tests.providers.claude import make_prompt
from tests.providers.files import pdf, png
from tests.providers.streams import collect, fail

# ------------------------------------------------------------------ images and documents


async def test_an_image_and_a_document_reach_the_model_byte_for_byte(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    prompt = make_prompt(turns=(user(PNG, PDF, say("What is odd here?")),))

    await collect(provider, prompt)

    image, document, text = fake.requests[0].body["messages"][0]["content"]
    assert image["source"]["media_type"] == "image/png"
    assert base64.b64decode(image["source"]["data"]) == PNG.data
    assert document["title"] == "report.pdf"
    assert document["source"]["media_type"] == "application/pdf"
    assert base64.b64decode(document["source"]["data"]) == PDF.data
    assert text == {"type": "text", "text": "What is odd here?"}
    assert fake.requests[0].user_text == "What is odd here?"


async def test_an_image_needs_no_word_beside_it(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    await collect(provider, make_prompt(turns=(user(PNG, say(" \n")),)))
    assert kinds(fake.requests[0].body["messages"][0]) == ["image"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 700])
async def test_a_documents_name_is_no_reason_to_refuse_it(
    name: str, fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    document = DocumentBlock(name=name, type="application/pdf", data=PDF.data)
    await collect(provider, make_prompt(turns=(user(document),)))
    assert kinds(fake.requests[0].body["messages"][0]) == ["document"]


def test_every_claude_model_reads_images_and_documents() -> None:
    for model in (*models.MODELS, models.find("claude-of-tomorrow")):
        assert {"images", "documents"} <= set(model.can)


def test_the_cache_mark_is_on_the_last_block_of_a_turn() -> None:
    turns = (
        user(say("Look."), PNG, cache=True),
        assistant(say("I see.")),
        user(PDF, say("And this?"), cache=True),
    )
    body = build(make_prompt(turns=turns, system="Be brief."), models.MODELS[0], CLAUDE)
    marked = [
        (number, index)
        for number, message in enumerate(body["messages"])
        for index, block in enumerate(message["content"])
        if isinstance(block, dict) and "cache_control" in block
    ]
    assert marked == [(0, 1), (2, 1)]
    assert cache_marks(dict(body)) == 3


# ------------------------------------------------------------------ files that the API refuses


@pytest.mark.parametrize(
    ("blocks", "kind", "words"),
    [
        (
            [ImageBlock(name="a", type="image/png", data=png(padding=19_000_000))],
            errors.BadRequest,
            "larger than the Claude API takes",
        ),
        (
            [ImageBlock(name="a", type="image/png", data=png(8_001, 1))],
            errors.BadRequest,
            "8000 pixels",
        ),
        (
            [ImageBlock(name="a", type="image/jpeg", data=png())],
            errors.BadRequest,
            "of another type",
        ),
        (
            [ImageBlock(name="a", type="image/png", data=png(0, 0))],
            errors.BadRequest,
            "is damaged",
        ),
        (
            [DocumentBlock(name="a", type="application/pdf", data=pdf(60))] * 2,
            errors.PromptTooLong,
            "100 PDF pages",
        ),
        (
            [DocumentBlock(name="a", type="application/pdf", data=b"%!PS-Adobe")],
            errors.BadRequest,
            "damaged, or no PDF",
        ),
        (
            [DocumentBlock(name="a", type="application/pdf", data=pdf(extra=b"/Encrypt 9 0 R"))],
            errors.BadRequest,
            "without a password",
        ),
        (
            [ImageBlock(name="a", type="image/png", data=png(padding=4 * 1024 * 1024))] * 7,
            errors.PromptTooLong,
            "larger than the Claude API takes in one request",
        ),
    ],
    ids=["19-MB", "pixels", "type", "damaged", "pages", "no-pdf", "password", "request"],
)
async def test_a_file_that_the_api_refuses_is_told_with_a_next_step(
    blocks: list[Block],
    kind: type[errors.ProviderError],
    words: str,
    fake: FakeAnthropic,
    provider: AnthropicProvider,
) -> None:
    _, error = await fail(provider, make_prompt(turns=(user(*blocks, say("Well?")),)))
    assert type(error) is kind
    assert not error.retryable
    assert words in error.message
    assert "new thread" in error.message


@pytest.mark.parametrize("what", ["name", "bytes", "thinking"])
async def test_no_error_quotes_a_files_name_its_bytes_or_thinking(
    what: str, fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    data = png(padding=9_000)
    thought = ReasoningBlock(data={"type": "of_2030", "thinking": "the sly fox"})
    image = ImageBlock(name="salaries-of-2031.png", type="image/png", data=data)
    quoted = {
        "name": image.name,
        "bytes": base64.b64encode(data).decode()[5_000:5_200],
        "thinking": "the sly fox",
    }[what]
    said = f"messages.2: cannot read {quoted}"
    fake.add(Answer(status=400, error_type="invalid_request_error", error_message=said))
    turns = (user(say("a")), assistant(thought, say("b")), user(image))
    _, error = await fail(provider, make_prompt(turns=turns))
    assert type(error) is errors.BadRequest
    assert quoted not in error.message
    assert "It says" not in error.message
