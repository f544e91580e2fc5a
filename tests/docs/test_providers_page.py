"""The providers that docs/providers.md teaches to write work as they stand there."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    Chunk,
    DocumentBlock,
    EndChunk,
    ImageBlock,
    JoinsAgain,
    Prompt,
    Provider,
    ReasoningChunk,
    TextBlock,
    TextChunk,
    Tool,
    ToolCallChunk,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    Upstream,
    UpstreamChunk,
    text_turn,
)
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeOpenAI
from tests.pages import imported
from tests.providers.streams import collect, eventually, fail, text_of

PAGE = "providers.md"
MODEL = "openai-completions/tiny"
KEY = "sk-lab-0123456789abcdef"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


def ask(*turns: Turn, **changes: Any) -> Prompt:
    return Prompt(
        **{"model": MODEL, "turns": turns or (text_turn("user", "Hello"),), "max_tokens": 50}
        | changes
    )


# ------------------------------------------------------------------------------- abacus


async def test_the_provider_with_tools_calls_them_and_goes_on_from_their_results(
    tmp_path: Path,
) -> None:
    with imported(PAGE, "abacus.py", tmp_path) as module:
        abacus = module.Abacus()
        asked = text_turn("user", "What are 1 + 2 and 30+4?")
        prompt = ask(asked, tools=(Tool(name="add"),))
        calls = [it for it in await collect(abacus, prompt) if isinstance(it, ToolCallChunk)]
        assert [call.input for call in calls] == [{"a": 1, "b": 2}, {"a": 30, "b": 4}]
        assert len({call.tool_call_id for call in calls}) == 2
        used = [
            ToolUseBlock(tool_call_id=it.tool_call_id, name=it.name, input=it.input) for it in calls
        ]
        told = [
            ToolResultBlock(tool_call_id=it.tool_call_id, name="add", success=not n, output=3 + n)
            for n, it in enumerate(calls)
        ]
        rounds = Turn(role="assistant", blocks=tuple(used)), Turn(role="user", blocks=tuple(told))
        chunks = await collect(abacus, ask(asked, *rounds, tools=prompt.tools, partial="3, "))
        assert text_of(chunks) == "failed: 4"
        assert isinstance(chunks[-1], EndChunk)
        assert "write 1 + 2" in text_of(await collect(abacus, ask(asked)))


# ------------------------------------------------------------------------------- chatlas


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as made:
        arguments = {"base_url": made.base_url, "api_key": KEY}
        monkeypatch.setenv("CHATLAS_CHAT_ARGS", json.dumps(arguments))
        monkeypatch.setenv("CHATLAS_MODELS", MODEL)
        yield made


@pytest.fixture
async def chatlas(server: FakeOpenAI, tmp_path: Path) -> AsyncIterator[Provider]:
    """The provider of the page; the fake server stands for what it asks."""
    with imported(PAGE, "chatlas_models.py", tmp_path) as module:
        made = module.create()
        await made.warm()
        yield made
        await made.close()


async def test_its_answer_streams_with_thoughts_and_ends_with_its_usage(
    server: FakeOpenAI, chatlas: Provider
) -> None:
    server.add(Answer(text="Grüße an alle", thinking="Who is all?", chunk_chars=4))

    chunks = await collect(chatlas, ask())

    assert text_of(chunks) == "Grüße an alle"
    thoughts = [chunk for chunk in chunks if isinstance(chunk, ReasoningChunk)]
    assert "".join(chunk.text for chunk in thoughts) == "Who is all?"
    assert len(chunks) > 5
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 0}
    assert chunks[-1] == EndChunk(stop_reason="end_turn", model=MODEL, usage=usage)


async def test_it_passes_on_the_whole_prompt_with_its_images_and_documents(
    server: FakeOpenAI, chatlas: Provider
) -> None:
    attached = Turn(
        role="user",
        blocks=(
            TextBlock(text="What is it?"),
            ImageBlock(name="a.png", type="image/png", data=PNG),
            DocumentBlock(name="b.pdf", type="application/pdf", data=b"%PDF-1.4"),
        ),
    )
    turns = (text_turn("user", "Hi"), text_turn("assistant", "Yes?"), attached)
    await collect(chatlas, ask(*turns, system="Be brief.", params={"temperature": 0.5}))

    (request,) = server.requests
    body = request.body
    system, first, second, last = body["messages"]
    assert (system["role"], system["content"]) == ("system", "Be brief.")
    assert [first["role"], second["role"], last["role"]] == ["user", "assistant", "user"]
    text, image, document = last["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert image["image_url"]["url"] == ("data:image/png;base64," + base64.b64encode(PNG).decode())
    assert document["file"]["filename"] == "b.pdf"
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("tiny", 50, 0.5)


async def test_it_goes_on_after_the_text_that_is_there(
    server: FakeOpenAI, chatlas: Provider
) -> None:
    """L6."""
    server.add(Answer(text="One two three four", chunk_chars=3))
    chunks = await collect(chatlas, ask(partial="One two"))
    assert "One two" + text_of(chunks) == "One two three four"


@pytest.mark.parametrize(
    ("answer", "code", "retry_after_s"),
    [
        (Answer(status=401, error_type="invalid_api_key"), "bad_key", None),
        (Answer(status=403), "bad_key", None),
        (Answer(status=404), "no_such_model", None),
        (Answer(status=400, error_type="context_length_exceeded"), "prompt_too_long", None),
        (Answer(status=400), "bad_request", None),
        (Answer(status=429, headers={"retry-after": "7"}), "rate_limited", 7.0),
        (Answer(status=503), "overloaded", None),
        (Answer(status=500), "provider_down", None),
        (Answer(status=200, body={"error": "?"}), "provider_down", None),
        (Answer(fault="drop", before_headers=True), "provider_down", None),
    ],
)
async def test_each_failure_has_its_code_and_quotes_nothing(
    answer: Answer, code: str, retry_after_s: float | None, server: FakeOpenAI, chatlas: Provider
) -> None:
    server.add(answer)
    text, error = await fail(chatlas, ask(text_turn("user", "my secret question")))
    assert (text, error.code, error.retry_after_s) == ("", code, retry_after_s)
    assert MODEL in str(error)
    assert "secret" not in str(error)
    assert KEY not in str(error)
    assert error.__cause__ is None
    assert len(server.requests) == 1  # the run tries again, not the SDK


@pytest.mark.parametrize("fault", ["cut", "drop", "reset", "error", "garbage"])
async def test_an_answer_that_is_cut_keeps_its_text_and_may_be_tried_again(
    fault: Any, server: FakeOpenAI, chatlas: Provider
) -> None:
    server.add(Answer(text="Hello world", chunk_chars=3, fault=fault, after_chunks=2))
    text, error = await fail(chatlas, ask())
    assert "Hello world".startswith(text)
    assert len(text) >= 6
    assert isinstance(error, errors.ProviderDown | errors.StreamCut)


@pytest.mark.filterwarnings("ignore:Response was")
@pytest.mark.parametrize(
    ("reason", "ending"), [("length", "max_tokens"), ("stop", "end_turn"), ("content_filter", None)]
)
async def test_it_tells_why_an_answer_ended(
    reason: str, ending: str | None, server: FakeOpenAI, chatlas: Provider
) -> None:
    server.add(Answer(text="Hello", stop_reason=reason))
    if ending is None:
        _, error = await fail(chatlas, ask())
        assert error.code == "refusal"
    else:
        end = (await collect(chatlas, ask()))[-1]
        assert isinstance(end, EndChunk)
        assert end.stop_reason == ending


async def test_closing_it_ends_its_request(server: FakeOpenAI, chatlas: Provider) -> None:
    """L7: Stop closes the generator, and the model stops at once."""
    server.add(Answer(text="Hello world", chunk_chars=3, hold_after_chunks=2))
    async with aclosing(chatlas.stream(ask())) as stream:
        async for chunk in stream:
            assert isinstance(chunk, TextChunk)
            break
    await eventually(lambda: server.requests[0].state == "left", server)


async def test_cancelling_while_it_waits_ends_its_request(
    server: FakeOpenAI, chatlas: Provider
) -> None:
    server.add(Answer(text="Hello world", chunk_chars=3, hold_after_chunks=1))
    task = asyncio.ensure_future(collect(chatlas, ask()))
    await eventually(lambda: server.requests and server.requests[0].chunks_sent > 0, server)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: server.requests[0].state == "left", server)


@pytest.mark.parametrize("model", ["nobody/tiny", "openai/gpt"])
async def test_a_model_that_chatlas_cannot_use_is_refused_with_the_next_step(
    model: str, chatlas: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such provider of chatlas, and one without its key."""
    monkeypatch.delenv("CHATLAS_CHAT_ARGS")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    _, error = await fail(chatlas, ask(model=model))
    assert isinstance(error, errors.MissingKey)
    assert "key or sign-in" in str(error)


async def test_a_parameter_that_it_does_not_know_is_refused(
    server: FakeOpenAI, chatlas: Provider
) -> None:
    _, error = await fail(chatlas, ask(params={"colour": "blue"}))
    assert isinstance(error, errors.BadRequest)
    assert not server.requests


async def test_it_offers_the_models_that_its_variable_names(
    chatlas: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [model.name for model in chatlas.models()] == [MODEL]
    assert chatlas.is_ready()
    monkeypatch.delenv("CHATLAS_MODELS")
    assert chatlas.models() == ()
    assert not chatlas.is_ready()
    assert "images" in chatlas.model("bedrock/anything").can


# ---------------------------------------------------------------------------- joining again


class JobService:
    """A service of jobs: each writes its pieces whether anybody reads them or not."""

    def __init__(self, pieces: tuple[str, ...]) -> None:
        self.pieces = pieces
        self.started: list[str] = []
        self.stopped: list[str] = []

    async def start(self, text: str) -> str:
        self.started.append(text)
        return f"job-{len(self.started)}"

    async def read(self, job: str, *, after: int) -> AsyncIterator[tuple[int, str]]:
        if int(job.removeprefix("job-")) > len(self.started):
            raise KeyError(job)
        for number, text in enumerate(self.pieces[after:], start=after + 1):
            await asyncio.sleep(0)
            yield number, text

    async def stop(self, job: str) -> None:
        self.stopped.append(job)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Any]:
    with imported(PAGE, "job_provider.py", tmp_path) as module:
        made = module.JobProvider(JobService(("One ", "two ", "three ", "four.")))
        assert isinstance(made, JoinsAgain)
        yield made


async def first(count: int, provider: Provider, prompt: Prompt) -> list[Chunk]:
    """Read so many chunks, then leave, as a process that dies."""
    chunks: list[Chunk] = []
    async with aclosing(provider.stream(prompt)) as stream:
        async for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == count:
                break
    return chunks


def committed(chunks: list[Chunk]) -> tuple[str, Upstream | None]:
    """What the database has: all up to the last place of the upstream that came."""
    ends = [n for n, chunk in enumerate(chunks) if isinstance(chunk, UpstreamChunk)]
    if not ends:
        return "", None
    last = chunks[ends[-1]]
    assert isinstance(last, UpstreamChunk)
    upstream = Upstream(handle=json.loads(json.dumps(last.handle)), cursor=last.cursor)
    return text_of(chunks[: ends[-1]]), upstream


async def test_an_upstream_is_joined_again_without_a_seam_after_any_crash(jobs: Any) -> None:
    """L15: the text is the upstream's, and there is one job."""
    whole = await collect(jobs, ask())
    assert isinstance(whole[0], UpstreamChunk)
    assert text_of(whole) == "One two three four."
    for cut in range(1, len(whole) + 1):
        jobs.service.started.clear()
        text, upstream = committed(await first(cut, jobs, ask()))
        assert upstream is not None
        rest = await collect(jobs, ask(partial=text, upstream=upstream))
        assert text + text_of(rest) == "One two three four."
        assert jobs.service.started == ["Hello"]
        assert not jobs.service.stopped
    cursors = [chunk.cursor for chunk in whole if isinstance(chunk, UpstreamChunk)]
    assert all(earlier < later for earlier, later in pairwise(cursors))


async def test_a_job_that_is_gone_is_lost_and_stop_reaches_the_service(jobs: Any) -> None:
    gone = Upstream(handle={"job": "job-99"}, cursor=2)
    _, error = await fail(jobs, ask(partial="One two ", upstream=gone))
    assert isinstance(error, errors.UpstreamLost)
    await jobs.stop_upstream({"job": "job-1"})
    assert jobs.service.stopped == ["job-1"]
