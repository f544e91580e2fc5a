"""Ends that are told as they were: each case is played to the real SDK, the run is a real one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_chat_stream.export.markdown import body as exported
from jupyter_chat_stream.kernel.messages import Message
from jupyter_chat_stream.providers.anthropic.exchange import MAX_PAUSES
from jupyter_chat_stream.shared.errors import RunRefused
from jupyter_chat_stream.shared.saved_copy import snapshot
from jupyter_chat_stream.store.chat import commands
from jupyter_chat_stream.store.chat.commands import Sender
from jupyter_chat_stream.store.log.transaction import RunRef
from tests.cases.api import (
    RESET,
    PlayedApi,
    begin,
    block,
    case,
    end,
    page,
    sse,
    text,
)
from tests.cases.asking import ask, ask_case
from tests.run_harness import RunHarness
from tests.runs.calls import offer, tool

STREAM = "200 OK\ncontent-type: text/event-stream"


async def succeed(harness: RunHarness, run: RunRef, *, keep_parts: bool) -> dict[str, Any]:
    """Retry or continue a run as a person does; gives the new reply at its end."""
    made = await harness.store.write(
        lambda tx: commands.succeed(tx, Sender(owner="local"), run.id, keep_parts=keep_parts),
        run.thread.pk,
    )
    ref = await harness.execute()
    assert ref.id == made["run"]["id"]
    return await harness.reply(ref)


def turns(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a request's messages as (role, texts)."""
    return [
        (
            message["role"],
            " ".join(block.get("text", block["type"]) for block in message["content"]),
        )
        for message in request["messages"]
    ]


def kinds(message: dict[str, Any]) -> list[str]:
    return [part["kind"] for part in message["parts"]]


# ------------------------------------------------------------------------- cut, and told so


async def test_an_answer_at_its_length_limit_says_so_everywhere_and_is_gone_on_with(
    harness: RunHarness, api: PlayedApi
) -> None:
    run, reply = await ask_case(harness, api, "stop_max_tokens.sse")
    assert (reply["status"], reply["stop_reason"]) == ("completed", "max_tokens")
    assert reply["incomplete"]["reason"] == "max_tokens"
    assert "max_tokens" in reply["incomplete"]["message"]
    assert len(api.requests) == 1
    state = await harness.state(run.thread)
    assert state["messages"][1]["incomplete"] == reply["incomplete"]
    message = Message.from_wire(reply)
    assert message.incomplete == reply["incomplete"]
    assert "cut off" in repr(message)
    assert "cut off" in snapshot([reply])
    assert "cut off" in exported(reply)

    more = await succeed(harness, run, keep_parts=True)
    assert more["content"] == "The answer has three parts. First, we look at [rest]"
    assert more["incomplete"] is None


async def test_an_answer_of_thoughts_alone_says_that_nothing_was_answered_and_why(
    harness: RunHarness, api: PlayedApi
) -> None:
    run, reply = await ask_case(harness, api, "thinking_only.sse")
    assert reply["incomplete"]["reason"] == "empty"
    for word in ("Nothing was answered", "max_tokens", "thinking", "retry"):
        assert word in reply["incomplete"]["message"]
    assert "nothing was answered" in snapshot([reply])
    assert "Nothing was answered" in exported(reply)
    api.play(sse(begin(), *text(0, "Here."), *end("end_turn")))
    again = await succeed(harness, run, keep_parts=False)
    assert (again["content"], again["incomplete"]) == ("Here.", None)


async def test_a_tool_input_that_was_cut_says_so_and_is_gone_on_with_from_the_text(
    harness: RunHarness, api: PlayedApi
) -> None:
    run, reply = await ask_case(harness, api, "tool_input_cut.sse")
    assert reply["incomplete"]["reason"] == "tool_input_cut"
    assert kinds(reply) == ["text", "tool_call"]
    assert "cut off" in exported(reply)
    more = await succeed(harness, run, keep_parts=True)
    assert more["content"] == "calling [rest]"
    assert kinds(more) == ["text", "text"], "a call that nobody can make is not taken over"


async def test_a_call_cut_before_its_first_character_is_no_call_without_input(
    harness: RunHarness, api: PlayedApi
) -> None:
    call = block(1, {"type": "tool_use", "id": "t", "name": "write", "input": {}})
    api.play(sse(begin(), *text(0, "calling"), *call, *end("max_tokens")))
    _, reply = await ask(harness)
    assert kinds(reply) == ["text"]
    assert reply["incomplete"]["reason"] == "max_tokens"


async def test_a_call_without_an_input_is_a_call(harness: RunHarness, api: PlayedApi) -> None:
    call = block(0, {"type": "tool_use", "id": "t", "name": "now", "input": {}})
    api.play(sse(begin(), *call, *end("tool_use")))
    _, reply = await ask(harness)
    assert reply["parts"][0] == {
        "kind": "tool_call", "tool_call_id": "t", "name": "now", "input": {},
    }  # fmt: skip
    assert reply["incomplete"] is None


async def test_a_full_context_window_is_told(harness: RunHarness, api: PlayedApi) -> None:
    api.play(sse(begin(), *text(0, "So far"), *end("model_context_window_exceeded")))
    _, reply = await ask(harness)
    assert reply["incomplete"]["reason"] == "context_window"


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "a_reason_of_2030"])
async def test_other_ends_are_whole(reason: str, harness: RunHarness, api: PlayedApi) -> None:
    api.play(sse(begin(), *text(0, "Done."), *end(reason)))
    _, reply = await ask(harness)
    assert (reply["status"], reply["incomplete"]) == ("completed", None)


async def test_an_answer_without_a_word_is_empty(harness: RunHarness, api: PlayedApi) -> None:
    api.play(sse(begin(), *end("end_turn")))
    _, reply = await ask(harness)
    assert reply["incomplete"]["reason"] == "empty"


# ------------------------------------------------------------------------------- pauses


def paused(number: int) -> bytes:
    call = {"type": "server_tool_use", "id": f"s{number}", "name": "web_search", "input": {}}
    result = {
        "type": "web_search_tool_result",
        "tool_use_id": f"s{number}",
        "content": [{"type": "web_search_result", "url": "u", "encrypted_content": "xx"}],
    }
    query = {"type": "input_json_delta", "partial_json": f'{{"q": {number}}}'}
    thought = {"type": "thinking", "thinking": "", "signature": ""}
    sign = {"type": "signature_delta", "signature": f"signed{number}"}
    return sse(
        begin(),
        *block(0, thought, {"type": "thinking_delta", "thinking": "hm"}, sign),
        *text(1, f"{number}.", " "),
        *block(2, call, query),
        *block(3, result),
        *end("pause_turn"),
    )


async def test_a_turn_that_pauses_is_gone_on_with_and_the_model_gets_its_blocks_back(
    harness: RunHarness, api: PlayedApi
) -> None:
    api.play(paused(1), paused(2), sse(begin(), *text(0, "It rains."), *end("end_turn")))
    _, reply = await ask(harness)
    assert (reply["status"], reply["incomplete"]) == ("completed", None)
    assert reply["content"] == "1. \n\n2. \n\nIt rains."
    assert reply["usage"]["output_tokens"] == 3 * 40
    assert len(api.requests) == 3
    back = api.requests[2]["messages"]
    assert [message["role"] for message in back] == ["user", "assistant"]
    assert back[1]["content"][:4] == [
        {"type": "thinking", "thinking": "hm", "signature": "signed1"},
        {"type": "text", "text": "1. "},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": 1}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s1",
            "content": [{"type": "web_search_result", "url": "u", "encrypted_content": "xx"}],
        },
    ]
    assert [found["type"] for found in back[1]["content"][4:]] == [
        "thinking", "text", "server_tool_use", "web_search_tool_result",
    ]  # fmt: skip


async def test_a_turn_that_pauses_for_ever_ends_as_paused_and_a_person_may_continue(
    harness: RunHarness, api: PlayedApi
) -> None:
    api.play(paused(1))
    run, reply = await ask(harness)
    assert len(api.requests) == MAX_PAUSES + 1
    assert reply["incomplete"]["reason"] == "paused"
    more = await succeed(harness, run, keep_parts=True)
    assert more["content"].endswith("[rest]")
    assert more["incomplete"] is None


async def test_a_turn_cut_after_its_pause_goes_on_by_the_next_attempt(
    harness: RunHarness, api: PlayedApi
) -> None:
    """L5: the usual rules of attempts; what was written is kept."""
    cut = sse(begin(), *text(0, "It ra")[:-1]) + RESET
    api.play(paused(1), cut)
    run, reply = await ask(harness)
    assert reply["content"] == "1. \n\nIt ra [rest]"
    assert (await harness.run(run))["attempt"] == 2


@pytest.mark.parametrize(
    "after",
    [sse(), sse(begin()), sse(begin()) + RESET],
    ids=["no event", "its beginning only", "a reset"],
)
async def test_a_turn_that_comes_to_nothing_after_its_pause_is_a_cut_and_no_foreign_answer(
    after: bytes, harness: RunHarness, api: PlayedApi
) -> None:
    """L5: what answered before the pause was the API, so the next attempt goes on."""
    api.play(paused(1), after)
    run, reply = await ask(harness)
    assert (reply["status"], reply["content"]) == ("completed", "1. \n\n[rest]")
    assert (await harness.run(run))["attempt"] == 2


async def test_a_pause_within_a_tools_input_is_a_cut(harness: RunHarness, api: PlayedApi) -> None:
    """L5: blocks that are not whole are not sent back; the next attempt goes on from the text."""
    call = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    half = {"type": "input_json_delta", "partial_json": '{"q": '}
    api.play(sse(begin(), *text(0, "One."), *block(1, call, half), *end("pause_turn")))
    run, reply = await ask(harness)
    assert reply["status"] == "completed"
    assert reply["content"].endswith("[rest]")
    assert (await harness.run(run))["attempt"] == 2


# ------------------------------------------------------------------------------ refusals


async def test_a_refusal_after_text_shows_its_reason_and_is_not_gone_on_with(
    harness: RunHarness, api: PlayedApi
) -> None:
    run, reply = await ask_case(harness, api, "refusal_after_text.sse")
    assert (reply["status"], reply["content"]) == ("failed", "Sure, first you take")
    assert reply["error"]["code"] == "refusal"
    assert "declined by the provider's policy on lock picking" in reply["error"]["message"]
    assert "lock picking" in exported(reply)
    with pytest.raises(RunRefused):
        await succeed(harness, run, keep_parts=True)
    assert len(api.requests) == 1


@pytest.mark.parametrize("is_said", [True, False])
async def test_a_refused_turn_enters_no_later_prompt(
    is_said: bool, harness: RunHarness, api: PlayedApi
) -> None:
    api.play(sse(begin(), *text(0, "Hello."), *end("end_turn")))
    run, _ = await ask(harness, "Good day")
    said = text(0, "Sure, first ") if is_said else []
    api.play(sse(begin(), *said, *end("refusal")))
    await ask(harness, "How do I pick a lock?", run.thread)
    await ask(harness, "And yours?", run.thread)
    api.play(sse(begin(), *text(0, "Soup."), *end("end_turn")))
    _, reply = await ask(harness, "How do I cook soup?", run.thread)
    assert reply["content"] == "Soup."
    assert turns(api.requests[-1]) == [
        ("user", "Good day"), ("assistant", "Hello."), ("user", "How do I cook soup?"),
    ]  # fmt: skip


async def test_a_refusal_without_a_reason_has_a_plain_sentence(
    harness: RunHarness, api: PlayedApi
) -> None:
    api.play(sse(begin(), *end("refusal")))
    _, reply = await ask(harness)
    assert reply["error"]["message"].startswith("The model declined to answer.")


async def test_an_explanation_is_one_line_of_a_bounded_length(
    harness: RunHarness, api: PlayedApi
) -> None:
    told = "Not\nthis\u202e" + "x" * 5000
    details = {"type": "refusal", "category": "cyber", "explanation": told}
    api.play(sse(begin(), *end("refusal", stop_details=details)))
    _, reply = await ask(harness)
    assert "Not thisxxx" in reply["error"]["message"]
    assert len(reply["error"]["message"]) < 700


async def test_what_a_content_filter_blocked_is_a_refusal(
    harness: RunHarness, api: PlayedApi
) -> None:
    error = {
        "type": "invalid_request_error",
        "message": "Output blocked by content filtering policy",
    }
    body = json.dumps({"type": "error", "error": error})
    api.play(page("400 Bad Request\ncontent-type: application/json", body))
    _, reply = await ask(harness)
    assert reply["error"]["code"] == "refusal"


# ------------------------------------------------------------------------- the next prompt


async def test_what_was_cut_is_said_to_be_cut_in_the_next_prompt(
    harness: RunHarness, api: PlayedApi
) -> None:
    run, _ = await ask_case(harness, api, "tool_input_cut.sse")
    await ask(harness, "And now?", run.thread)
    assert turns(api.requests[-1]) == [
        ("user", "Why?"),
        ("assistant", "calling\n\n[This reply was cut off here.]"),
        ("user", "And now?"),
    ]


async def test_an_answer_without_text_leaves_a_prompt_that_the_api_takes(
    harness: RunHarness, api: PlayedApi
) -> None:
    run, _ = await ask_case(harness, api, "thinking_only.sse")
    await ask(harness, "Again?", run.thread)
    assert turns(api.requests[-1]) == [("user", "Why?\n\nAgain?")]
    run, _ = await ask_case(harness, api, "tool_input_at_start.sse")
    await ask(harness, "Again?", run.thread)
    assert turns(api.requests[-1]) == [("user", "Why?\n\nAgain?")], "a call has no result here"


# --------------------------------------------------------------------- ends and beginnings


async def test_a_clean_end_after_a_stop_reason_is_whole(
    harness: RunHarness, api: PlayedApi
) -> None:
    run, reply = await ask_case(harness, api, "no_message_stop.sse")
    assert (reply["status"], reply["content"]) == ("completed", "done but no message_stop")
    assert reply["usage"]["output_tokens"] == 40
    assert len(api.requests) == 1
    assert (await harness.run(run))["attempt"] == 1


@pytest.mark.parametrize("shape", ["reset", "truncated", "no stop reason"])
async def test_another_end_without_message_stop_is_a_cut_and_goes_on(
    shape: str, harness: RunHarness, api: PlayedApi
) -> None:
    whole = case("no_message_stop.sse")
    if shape == "reset":
        whole += RESET
    elif shape == "truncated":
        whole = page(STREAM, whole)[:-40]
    else:
        whole = whole[: whole.index(b"event: message_delta")]
    api.play(whole)
    run, reply = await ask(harness)
    assert reply["status"] == "completed"
    assert (await harness.run(run))["attempt"] == 2
    assert "[rest]" in reply["content"] or shape == "reset"  # then the text may be lost, too


async def test_an_input_that_stands_in_the_start_of_its_block_is_kept(
    harness: RunHarness, api: PlayedApi
) -> None:
    _, reply = await ask_case(harness, api, "tool_input_at_start.sse")
    (part,) = reply["parts"]
    assert part == {
        "kind": "tool_call",
        "tool_call_id": "toolu_1",
        "name": "look",
        "input": {"city": "Bern", "n": 3},
    }
    assert reply["incomplete"] is None


async def test_whatever_stands_in_the_start_of_a_block_is_kept(
    harness: RunHarness, api: PlayedApi
) -> None:
    thought = block(0, {"type": "thinking", "thinking": "hm", "signature": "s"})
    said = block(1, {"type": "text", "text": "Hel"}, {"type": "text_delta", "text": "lo"})
    call = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}}
    open_call = block(2, call)[:-1]  # and no stop
    api.play(sse(begin(), *thought, *said, *open_call, *end("end_turn")))
    _, reply = await ask(harness)
    assert kinds(reply) == ["reasoning", "text", "tool_call"]
    assert [part.get("text", part.get("input")) for part in reply["parts"]] == [
        "hm", "Hello", {"q": "x"},
    ]  # fmt: skip


# --------------------------------------------------------------------------- server tools


async def test_a_search_beside_a_tool_of_ours_is_the_providers(
    harness: RunHarness, api: PlayedApi
) -> None:
    """L12: nobody here makes the call, and the answer ends with its own text."""
    thread = await harness.thread()
    await offer(harness, thread, tool("look"))
    api.play(case("server_tool.sse"))
    _, reply = await ask(harness, thread=thread)
    assert (reply["status"], kinds(reply)) == (
        "completed",
        ["text", "tool_call", "tool_result", "text"],
    )
    assert "where" not in reply["parts"][1]


async def test_a_search_between_two_texts_is_seen_and_keeps_them_apart(
    harness: RunHarness, api: PlayedApi
) -> None:
    _, reply = await ask_case(harness, api, "server_tool.sse")
    assert kinds(reply) == ["text", "tool_call", "tool_result", "text"]
    assert reply["parts"][1]["input"] == {"query": "weather"}
    assert reply["parts"][2] == {
        "kind": "tool_result",
        "tool_call_id": "srvtoolu_1",
        "name": "web_search",
        "success": True,
        "output": [
            {
                "type": "web_search_result",
                "url": "https://example.org/w",
                "title": "Weather",
                "page_age": None,
            }
        ],
    }
    assert reply["content"] == "Let me look that up.\n\nIt rains."
    assert "https://example.org/w" in exported(reply)


@pytest.mark.parametrize(
    ("start", "name", "success"),
    [
        ({"type": "code_execution_tool_result", "tool_use_id": "c",
          "content": {"type": "code_execution_result", "stdout": "4", "return_code": 0}},
         "code_execution", True),
        ({"type": "bash_code_execution_tool_result", "tool_use_id": "c",
          "content": {"type": "bash_code_execution_result", "stderr": "no", "return_code": 1}},
         "bash_code_execution", False),
        ({"type": "web_fetch_tool_result", "tool_use_id": "c",
          "content": {"type": "web_fetch_tool_result_error", "error_code": "url_not_accessible"}},
         "web_fetch", False),
        ({"type": "mcp_tool_result", "tool_use_id": "c", "is_error": True,
          "content": [{"type": "text", "text": "no"}]}, "mcp", False),
        ({"type": "a_block_of_2030", "anything": {"deep": [1]}}, "a_block_of_2030", True),
        ({"anything": 1}, "block", True),
    ],
)  # fmt: skip
async def test_a_block_that_is_no_text_is_shown_and_parts_the_texts_around_it(
    start: dict[str, Any], name: str, success: bool, harness: RunHarness, api: PlayedApi
) -> None:
    odd = block(1, start, {"type": "a_delta_of_2030", "news": "x"})
    api.play(sse(begin(), *text(0, "One."), *odd, *text(2, "Two."), *end("end_turn")))
    _, reply = await ask(harness)
    assert kinds(reply) == ["text", "tool_result", "text"]
    assert (reply["parts"][1]["name"], reply["parts"][1]["success"]) == (name, success)
    assert reply["content"] == "One.\n\nTwo."


async def test_a_large_result_is_kept_within_bounds_and_a_remote_call_is_a_call(
    harness: RunHarness, api: PlayedApi
) -> None:
    call = {"type": "mcp_tool_use", "id": "m", "name": "read", "server_name": "s", "input": {}}
    given = {"type": "input_json_delta", "partial_json": '{"p": 1}'}
    file = {"type": "document", "source": {"type": "base64", "data": "A" * 300_000}}
    long = [{"type": "text", "text": "x" * 300_000}, file]
    result = {"type": "mcp_tool_result", "tool_use_id": "m", "is_error": False, "content": long}
    api.play(sse(begin(), *block(0, call, given), *block(1, result), *end("end_turn")))
    _, reply = await ask(harness)
    assert reply["parts"][0]["input"] == {"p": 1}
    assert reply["parts"][1]["name"] == "read"
    assert len(json.dumps(reply["parts"][1])) < 30_000
    assert reply["incomplete"] is None
