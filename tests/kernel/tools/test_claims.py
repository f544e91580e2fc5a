"""A call from its claim to its result, over a link whose responses the test writes (L12 to L14)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from jupyter_chat_stream.kernel import inbox
from jupyter_chat_stream.kernel.tools import claims, toolbox
from jupyter_chat_stream.kernel.tools.failures import BY_WAIT
from jupyter_chat_stream.shared.errors import (
    AttachmentTooLarge,
    DatabaseUnreachable,
    InvalidInput,
    ToolCallNotOpen,
)
from tests.kernel.tools.written_link import (
    PATIENCE_S,
    Answer,
    WrittenLink,
    offered,
    reached,
    tool_of,
)

PNG = b"\x89PNG\r\n\x1a\n0123"


def passing(link: WrittenLink, *kinds: str) -> Answer:
    """Let the first request of each kind meet a database that is away."""

    def answer(what: str, body: Mapping[str, Any]) -> Any:
        is_first = what in kinds and link.count(what) == 1
        return DatabaseUnreachable("The database is away.") if is_first else None

    return answer


# ------------------------------------------------------------------- a wait that blocks the loop


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_wait_takes_over_a_call_that_the_loop_has_begun_to_claim(
    link: WrittenLink, is_async: bool
) -> None:
    async def work_later() -> int:
        await asyncio.sleep(0)
        return 7

    link.gate = asyncio.Event()
    await offered(link, work_later if is_async else lambda: 7)
    await reached(lambda: link.count("claim"))
    link.call_soon(link.gate.set)  # the answer arrives while the loop of this test is blocked
    assert inbox.watch(link.result) == (True, 7)
    await asyncio.sleep(0)
    assert (link.count("claim"), link.count("result")) == (1, 1)


async def test_a_long_wait_ends_an_async_call_whose_loop_it_blocks(
    link: WrittenLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "LONG_WAIT_S", 0.0)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    await offered(link, work)
    await begun.wait()
    assert inbox.watch(link.result) == (False, BY_WAIT)
    await asyncio.wait_for(ended.wait(), PATIENCE_S)
    assert link.count("result") == 1


async def test_an_async_call_may_wait_in_its_own_code(
    link: WrittenLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "LONG_WAIT_S", 0.0)

    async def work() -> str:
        await asyncio.sleep(0)
        other: Future[str] = Future()
        link.call_soon(other.set_result, "of another answer")
        return inbox.watch(other)

    await offered(link, work)
    assert await asyncio.wrap_future(link.result) == (True, "of another answer")


# ------------------------------------------------------------------------ failures that pass


async def test_a_database_that_is_away_for_a_moment_loses_neither_call_nor_result_l14(
    link: WrittenLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "RENEW_AT_MOST_EVERY_S", 0.01)
    link.answer = passing(link, "renewal", "output", "result")

    async def work() -> str:
        print("working")  # noqa: T201
        await reached(lambda: link.count("renewal") > 2 and link.count("output") > 1)
        return "done"

    await offered(link, work)
    assert await asyncio.wrap_future(link.result) == (True, "done")
    sent = [body for what, body in link.asked if what == "output"]
    assert [(body["n"], body["text"]) for body in sent] == [(0, "working\n")] * 2
    assert link.count("result") == 2


async def test_a_claim_that_fails_for_a_moment_is_tried_again(link: WrittenLink) -> None:
    link.answer = passing(link, "claim")
    await offered(link, lambda: 7)
    assert await asyncio.wrap_future(link.result) == (True, 7)
    assert link.count("claim") == 2


async def test_a_claim_of_a_call_that_is_not_open_is_not_tried_again_l12(
    link: WrittenLink,
) -> None:
    link.answer = lambda what, body: ToolCallNotOpen("c", "claimed") if what == "claim" else None
    box = await offered(link, lambda: 7)
    await reached(lambda: not box.under_way)
    box.look()
    assert (link.count("claim"), box.under_way, list(box.claim_seqs)) == (1, set(), ["c"])


async def test_a_call_that_the_log_opens_again_while_it_is_made_is_made_again_l14(
    link: WrittenLink,
) -> None:
    """A process stood still: when it goes on, its claim is over, and the log has told that."""
    made: list[int] = []

    def work() -> int:
        made.append(len(made))
        link.followers["t"].moved = 1  # type: ignore[attr-defined]
        return made[-1]

    def answer(what: str, body: Mapping[str, Any]) -> Any:
        is_late = what == "result" and link.count("result") == 1
        return ToolCallNotOpen("c", "open") if is_late else None

    link.answer = answer
    box = await offered(link, work)
    assert await asyncio.wrap_future(link.result) == (True, 1)
    await reached(lambda: not box.under_way)
    assert link.count("claim") == 2


async def test_a_function_that_is_registered_again_before_its_call_begins_serves_it(
    link: WrittenLink,
) -> None:
    box = await offered(link, lambda: 7)
    tools, box.tools = box.tools, {}
    await reached(lambda: not box.under_way)
    box.tools = tools
    link.call_soon(box.look)
    assert await asyncio.wrap_future(link.result) == (True, 7)


async def test_a_result_that_the_server_refuses_becomes_a_failed_one(link: WrittenLink) -> None:
    def answer(what: str, body: Mapping[str, Any]) -> Any:
        is_refused = what == "result" and body["success"]
        return InvalidInput("'output' is too large.") if is_refused else None

    link.answer = answer
    await offered(link, lambda: 7)
    assert await asyncio.wrap_future(link.result) == (False, "'output' is too large.")


async def test_files_are_uploaded_before_the_result_that_names_them(link: WrittenLink) -> None:
    """A file that the server does not take is told in the output; one outage loses none."""

    def answer(what: str, body: Mapping[str, Any]) -> Any:
        if what != "upload":
            return None
        away = DatabaseUnreachable("The database is away.")
        return {1: away, 3: AttachmentTooLarge(9, 8)}.get(link.count("upload"))

    link.answer = answer
    await offered(link, lambda: ["two", PNG, PNG + b"more"])
    success, output = await asyncio.wrap_future(link.result)
    assert success
    assert output["output"][0] == "two"
    assert output["not_kept"][0].startswith("The file 'image-2.png' was not kept: The attachment")
    bodies = [body for what, body in link.asked if what == "result"]
    assert [body["attachments"] for body in bodies] == [["f2"]]


async def test_a_result_whose_files_are_refused_is_sent_without_them(link: WrittenLink) -> None:
    """The function has succeeded: its result is not lost with a file."""

    def answer(what: str, body: Mapping[str, Any]) -> Any:
        has_files = what == "result" and "attachments" in body
        return AttachmentTooLarge(9, 8) if has_files else None

    link.answer = answer
    await offered(link, lambda: PNG)
    success, output = await asyncio.wrap_future(link.result)
    assert success
    assert "image.png" in output
    assert "\n[No file was kept: The attachment has" in output
    await reached(lambda: link.count("f1"))  # deleted again


async def test_the_files_of_a_result_that_is_not_taken_are_deleted_l12(link: WrittenLink) -> None:
    link.answer = lambda what, body: ToolCallNotOpen("c", "ended") if what == "result" else None
    await offered(link, lambda: PNG)
    await reached(lambda: link.count("f1"))
    assert [what for what, _ in link.asked if what in ("upload", "result", "f1")] == [
        "upload",
        "result",
        "f1",
    ]


async def test_the_first_result_of_a_call_counts_l12(link: WrittenLink) -> None:
    link.gate, link.gated = asyncio.Event(), "output"
    call = claims.OpenCall(run_id="r", tool_call_id="c", name="work", input={}, effect="run")
    claimed = await asyncio.wrap_future(link.start(claims.claim(link, "t", call, "here")))
    assert claimed is not None
    claimed.write("before the result")
    claimed.finish(False, BY_WAIT)
    await reached(lambda: link.count("output"))
    claimed.finish(True, 7)
    link.call_soon(link.gate.set)
    assert await asyncio.wrap_future(link.result) == (False, BY_WAIT)


# --------------------------------------------------------------- between the claim and the result


async def test_an_error_after_the_claim_is_the_result_of_the_call(
    link: WrittenLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise RuntimeError("the kernel's socket is closed")

    monkeypatch.setattr(toolbox, "shown_busy", broken)
    box = await offered(link, lambda: 7)
    success, output = await asyncio.wrap_future(link.result)
    assert not success
    assert output.startswith("RuntimeError: the kernel's socket is closed")
    await reached(lambda: not box.under_way)


async def test_a_function_that_is_removed_after_the_claim_is_still_called(
    link: WrittenLink,
) -> None:
    def answer(what: str, body: Mapping[str, Any]) -> Any:
        if what == "claim":
            box.tools.clear()

    link.gate = asyncio.Event()
    box = await offered(link, lambda: 7)
    link.answer = answer
    link.call_soon(link.gate.set)
    assert await asyncio.wrap_future(link.result) == (True, 7)


@pytest.mark.parametrize("is_in_wait", [False, True])
@pytest.mark.parametrize("allowed", ["this", "another", None])
async def test_only_the_definition_that_was_allowed_is_called_l13(
    link: WrittenLink, allowed: str | None, is_in_wait: bool
) -> None:
    called: list[str] = []

    def work() -> None:
        called.append(threading.current_thread().name)

    digests = {"this": tool_of(work).digest, "another": tool_of(work, "Another text.").digest}
    link.answer = lambda what, body: {"digest": digests[allowed]} if allowed else None
    await offered(link, work)
    if is_in_wait:
        made = inbox.watch(link.result)
    else:
        made = await asyncio.wrap_future(link.result)
    if allowed == "another":
        assert (made[0], called) == (False, [])
        assert "registered again with another effect or definition" in made[1]
    else:
        assert (made, len(called)) == ((True, None), 1)
