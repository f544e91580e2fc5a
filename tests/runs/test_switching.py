"""A thread whose model changes in the middle, with files and reasoning in it; real SDKs."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.shared.events import encode
from jupyter_chat_stream.store.chat import commands
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
from jupyter_chat_stream.store.log.transaction import ThreadRef
from jupyter_chat_stream.testing import Answer, FakeAnthropic, FakeOpenAI
from jupyter_chat_stream.testing.claude_content import redacted_data_of, signature_of
from tests.fixtures import MakeHarness
from tests.providers import chat, claude
from tests.providers.blocks import kinds
from tests.providers.files import pdf, png
from tests.run_harness import RunHarness

SONNET, OPUS = "anthropic/claude-sonnet-5-5", "anthropic/claude-opus-5-5"
EYES = "lab/eyes"
PNG, PDF = png(3, 3), pdf(2)
OTHER_PNG = png(5, 5)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A thread, and the two fake servers that answer in it."""

    harness: RunHarness
    thread: ThreadRef
    claude: FakeAnthropic
    lab: FakeOpenAI

    async def upload(self, name: str, type_: str, data: bytes) -> str:
        """Store an attachment of the person; returns its id."""
        store = self.harness.chat_store.attachments
        upload = await store.begin("local", size=len(data), limit=2**40)
        await store.add(upload, n=0, data=data)
        digest = sha256(data).hexdigest()
        made = await store.finish(
            upload, "local", name=name, type_=type_, size=len(data), sha256=digest
        )
        return made["id"]

    async def send(self, text: str, model: str | None, *attachments: str) -> None:
        """Send a message to a model, or to the thread's."""
        request = SendRequest(content=text, model=model, attachments=attachments)
        await self.harness.store.write(
            lambda tx: commands.send(tx, self.thread.id, Sender(owner="local"), request),
            self.thread.pk,
        )

    async def ask(self, text: str, model: str, *attachments: str) -> dict[str, Any]:
        """Send a message to a model, and execute its run; returns the reply."""
        await self.send(text, model, *attachments)
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        """Execute the run that is due; returns the reply."""
        reply = await self.harness.reply(await self.harness.execute())
        assert reply["status"] == "completed", reply
        return reply


@pytest.fixture
def lab() -> Iterator[FakeOpenAI]:
    """A llama.cpp's server with a model that sees, by what it tells of itself."""
    seeing = {"default_generation_settings": {"n_ctx": 32_000}, "modalities": {"vision": True}}
    models = [{"id": "eyes", "owned_by": "llamacpp"}]
    with FakeOpenAI(models=models, pages={"/props": seeing}) as server:
        yield server


@pytest.fixture
def blind() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(models=["blind"]) as server:
        yield server


@pytest.fixture
async def conversation(
    make_harness: MakeHarness, lab: FakeOpenAI, tmp_path: Path
) -> AsyncIterator[Conversation]:
    harness = await make_harness()
    with FakeAnthropic() as fake:
        providers = [
            claude.make_provider(fake.url, tmp_path),
            chat.make_provider(lab.base_url, key_env=None),
        ]
        registry = Registry(providers)
        harness.services = replace(harness.services, registry=registry)
        thread = await harness.thread()
        yield Conversation(harness=harness, thread=thread, claude=fake, lab=lab)
        await registry.close()


async def with_files(conversation: Conversation) -> dict[str, Any]:
    """Ask Claude about an image and a document; Claude thinks, in part where nobody can read it."""
    conversation.claude.add(Answer(thinking="I wonder.", redacted="hidden", text="It is odd."))
    image = await conversation.upload("plot.png", "image/png", PNG)
    document = await conversation.upload("report.pdf", "application/pdf", PDF)
    return await conversation.ask("What is odd?", SONNET, image, document)


async def test_another_providers_model_gets_what_it_can_read_and_no_thinking(
    conversation: Conversation,
) -> None:
    await with_files(conversation)
    conversation.lab.add(Answer(thinking="The lab muses.", text="I see a square."))

    reply = await conversation.ask("And you?", EYES)

    note, reasoning, text = reply["parts"]
    assert "reads no PDF documents: “report.pdf” was left out." in note["text"]
    assert (reasoning["text"], text["text"]) == ("The lab muses.", "I see a square.")
    first, second, third = conversation.lab.requests[0].body["messages"]
    image, said = first["content"]
    url = image["image_url"]["url"]
    assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == PNG
    assert "you read no PDF documents" in said["text"]
    assert second == {"role": "assistant", "content": "It is odd."}
    assert third == {"role": "user", "content": "And you?"}
    sent = json.dumps(conversation.lab.requests[0].body)
    for hidden in ("I wonder", signature_of("I wonder."), redacted_data_of("hidden")):
        assert hidden not in sent


async def test_claude_gets_its_files_and_its_own_thinking_back_after_another_model(
    conversation: Conversation,
) -> None:
    """The fake API refuses thinking that was changed, and knows its own."""
    await with_files(conversation)
    conversation.lab.add(Answer(thinking="The lab muses.", text="I see a square."))
    await conversation.ask("And you?", EYES)

    reply = await conversation.ask("So?", SONNET)

    assert [part["kind"] for part in reply["parts"]] == ["text"]
    messages = conversation.claude.requests[-1].body["messages"]
    assert [kinds(message) for message in messages] == [
        ["image", "document", "text"],
        ["thinking", "redacted_thinking", "text"],
        ["text"],
        ["text"],
        ["text"],
    ]
    image, document, _ = messages[0]["content"]
    assert base64.b64decode(image["source"]["data"]) == PNG
    assert base64.b64decode(document["source"]["data"]) == PDF
    assert messages[1]["content"][:2] == [
        {"type": "thinking", "thinking": "I wonder.", "signature": signature_of("I wonder.")},
        {"type": "redacted_thinking", "data": redacted_data_of("hidden")},
    ]
    assert messages[3]["content"][0]["text"] == "I see a square."
    assert "The lab muses" not in json.dumps(messages)


async def test_another_claude_model_gets_the_files_and_not_the_thinking(
    conversation: Conversation,
) -> None:
    await with_files(conversation)
    await conversation.ask("So?", OPUS)
    messages = conversation.claude.requests[-1].body["messages"]
    assert [kinds(message) for message in messages] == [
        ["image", "document", "text"], ["text"], ["text"],
    ]  # fmt: skip


async def test_a_model_that_is_changed_during_an_answer_is_that_of_the_next_messages_only(
    conversation: Conversation,
) -> None:
    """Two pages at once: one sends an image to the lab, the other chooses Opus for the thread."""
    harness, fake = conversation.harness, conversation.claude
    await with_files(conversation)
    fake.add(Answer(thinking="Hm.", text="Sonnet goes on.", hold_after_chunks=1))
    conversation.lab.add(Answer(thinking="The lab muses.", text="I see two."))
    fake.add(Answer(text="Opus sums up."))
    await conversation.send("And?", SONNET)
    answering = asyncio.ensure_future(conversation.answer())
    await asyncio.to_thread(fake.wait_until, lambda asked: len(asked) == 2)
    other = await conversation.upload("other.png", "image/png", OTHER_PNG)

    change = harness.chat_store.threads.change
    await asyncio.gather(
        conversation.send("And this?", EYES, other),
        change("local", conversation.thread.id, {"model": OPUS}),
    )
    await conversation.send("So?", None)
    fake.release()
    replies = [await answering, await conversation.answer(), await conversation.answer()]

    _, to_claude, to_claude_again = fake.requests
    (to_the_lab,) = conversation.lab.requests
    models = [f"anthropic/{to_claude.body['model']}", f"lab/{to_the_lab.body['model']}"]
    models.append(f"anthropic/{to_claude_again.body['model']}")
    assert models == [SONNET, EYES, OPUS]
    assert [reply["content"] for reply in replies] == [
        "Sonnet goes on.",
        "I see two.",
        "Opus sums up.",
    ]
    own, theirs, last = [
        request.body["messages"] for request in (to_claude, to_the_lab, to_claude_again)
    ]
    assert kinds(own[1]) == ["thinking", "redacted_thinking", "text"]
    assert [images_in(message) for message in theirs] == [[PNG], [], [], [], [OTHER_PNG]]
    assert [kinds(message) for message in last] == [
        ["image", "document", "text"], ["text"], ["text"], ["text"],
        ["image", "text"], ["text"], ["text"],
    ]  # fmt: skip
    told = json.dumps([theirs, last])
    for hidden in ("I wonder", "Hm.", "The lab muses", signature_of("Hm.")):
        assert hidden not in told


def images_in(message: dict[str, Any]) -> list[bytes]:
    """Return the images of a message of Chat Completions."""
    content = message["content"]
    urls = [
        block["image_url"]["url"]
        for block in (content if isinstance(content, list) else [])
        if block["type"] == "image_url"
    ]
    return [base64.b64decode(url.partition(",")[2]) for url in urls]


async def test_a_parameter_of_the_thread_that_the_next_model_would_refuse_is_left_out(
    conversation: Conversation,
) -> None:
    """Both models take an ``effort``; only Claude knows the word ``max``."""
    conversation.lab.models = [
        {"id": "eyes", "supported_parameters": ["reasoning"], "max_completion_tokens": 8_000}
    ]
    thread_id = conversation.thread.id
    change = conversation.harness.chat_store.threads.change
    await change("local", thread_id, {"params": {"effort": "max", "max_tokens": 100_000}})

    await conversation.ask("Hello", SONNET)
    await conversation.ask("And you?", EYES)
    body = conversation.claude.requests[-1].body
    assert (body["output_config"], body["max_tokens"]) == ({"effort": "max"}, 100_000)
    body = conversation.lab.requests[-1].body
    assert "reasoning_effort" not in body
    assert body["max_tokens"] <= 8_000

    await change("local", thread_id, {"params": {"effort": "low"}})
    await conversation.ask("So?", EYES)
    assert conversation.lab.requests[-1].body["reasoning_effort"] == "low"


async def test_what_only_the_provider_may_read_is_in_no_event(
    conversation: Conversation,
) -> None:
    await with_files(conversation)
    events = await conversation.harness.events(conversation.thread)
    told = "".join(encode(event) for event in events)
    assert "wonder" in told
    for hidden in (signature_of("I wonder."), redacted_data_of("hidden")):
        assert hidden not in told


async def test_a_model_that_reads_neither_is_told_of_both_files(
    conversation: Conversation, blind: FakeOpenAI
) -> None:
    harness = conversation.harness
    provider = chat.make_provider(blind.base_url, key_env=None, name="blind")
    providers = [*harness.services.registry.providers.values(), provider]
    harness.services = replace(harness.services, registry=Registry(providers))
    await with_files(conversation)
    reply = await conversation.ask("And you?", "blind/blind")
    notes = [part["text"] for part in reply["parts"] if part["kind"] == "note"]
    assert len(notes) == 2
    asked = conversation_text(blind)
    assert "'plot.png'" in asked
    assert "'report.pdf'" in asked
    assert base64.b64encode(PNG).decode() not in asked
    await provider.close()


def conversation_text(server: FakeOpenAI) -> str:
    return json.dumps(server.requests[0].body, ensure_ascii=False)
