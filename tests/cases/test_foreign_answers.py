"""What answers in the provider's place is named, and ends the run or lets it try again."""

from __future__ import annotations

import gzip
import logging

import pytest

from tests.cases.api import PlayedApi, begin, end, page, sse, text
from tests.cases.asking import ask, ask_case
from tests.run_harness import RunHarness

SECRET = "the launch code of the third rocket is swordfish"
STREAM = "200 OK\ncontent-type: text/event-stream"


async def test_a_sign_in_page_ends_the_run_at_once_and_is_named(
    harness: RunHarness, api: PlayedApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    run, reply = await ask_case(harness, api, "sign_in_page.http")
    assert (reply["status"], reply["error"]["code"]) == ("failed", "not_the_provider")
    assert not reply["error"]["retryable"]
    for told in ("200", "text/html", "Sign in", "ANTHROPIC_BASE_URL", "prox"):
        assert told in reply["error"]["message"]
    assert len(api.requests) == 1
    assert (await harness.run(run))["attempt"] == 1
    assert "Sign in" not in caplog.text
    assert "Corporate" not in caplog.text


HTML = "content-type: text/html; charset=utf-8"
ZIPPED = gzip.compress(b"<title>Log in here</title>")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (page("200 OK\ncontent-type: application/json", '{"a": 1}'), "application/json"),
        (page("200 OK"), "empty"),
        (page("204 No Content"), "204"),
        (page(STREAM), "no events"),
        (page("200 OK", "hello"), "without a media type"),
        (page(f"200 OK\n{HTML}\ncontent-encoding: gzip", ZIPPED), "Log in here"),
        (page(f"200 OK\n{HTML}", "<TITLE lang=en>\n A &amp; B\u202e </TITLE>"), "'A & B'"),
        (page(f"200 OK\n{HTML}", "<title>" + "x" * 900 + "</title>"), "xxx…'"),
        (page("302 Found\nlocation: /login"), "redirected to 127.0.0.1"),
        (page("301 Moved\nlocation: https://login.example.org/a?b"), "redirected to login.example"),
        (page("302 Found"), "302"),
        (page(f"307 Temporary Redirect\n{HTML}\nlocation: /again"), "redirected to"),
        (page(f"403 Forbidden\n{HTML}", "<title>Blocked by policy</title>"), "Blocked by policy"),
        (page(f"404 Not Found\n{HTML}", "<h1>nginx</h1>"), "404"),
        (page(f"407 Proxy Authentication Required\n{HTML}", "<p>who?</p>"), "407"),
        (page(f"511 Network Authentication Required\n{HTML}", "<title>WLAN</title>"), "WLAN"),
    ],
)  # fmt: skip
async def test_whatever_is_no_stream_of_events_ends_the_run_at_once(
    answer: bytes, told: str, harness: RunHarness, api: PlayedApi
) -> None:
    api.play(answer)
    run, reply = await ask(harness)
    assert (reply["status"], reply["error"]["code"]) == ("failed", "not_the_provider")
    assert told in reply["error"]["message"]
    assert "ANTHROPIC_BASE_URL" in reply["error"]["message"]
    assert len(reply["error"]["message"]) < 500
    assert (await harness.run(run))["attempt"] == 1


async def test_a_redirection_gets_neither_the_key_nor_the_prompt(
    harness: RunHarness, api: PlayedApi
) -> None:
    with PlayedApi() as elsewhere:
        for status in ("301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"):
            api.play(page(f"{status}\nlocation: {elsewhere.url}/v1/messages"))
            _, reply = await ask(harness)
            assert reply["error"]["code"] == "not_the_provider"
        assert elsewhere.visits == 0


async def test_a_page_that_quotes_the_prompt_is_not_quoted(
    harness: RunHarness, api: PlayedApi
) -> None:
    api.play(page(f"200 OK\n{HTML}", f"<title>{SECRET}</title>"))
    _, reply = await ask(harness, SECRET)
    assert "swordfish" not in reply["error"]["message"]


@pytest.mark.parametrize("kind", ["Text/Event-Stream;charset=UTF-8", "text/event-stream; x=y"])
@pytest.mark.parametrize("is_zipped", [False, True])
async def test_every_way_to_say_event_stream_is_read(
    kind: str, is_zipped: bool, harness: RunHarness, api: PlayedApi
) -> None:
    whole = sse(begin(), *text(0, "Grüße"), *end("end_turn"))
    head = f"200 OK\ncontent-type: {kind}"
    zipped = page(f"{head}\ncontent-encoding: gzip", gzip.compress(whole))
    api.play(zipped if is_zipped else page(head, whole))
    _, reply = await ask(harness)
    assert (reply["status"], reply["content"]) == ("completed", "Grüße")


@pytest.mark.parametrize(("status", "code"), [(502, "provider_down"), (429, "rate_limited")])
async def test_a_gateway_that_fails_is_named_and_tried_again(
    status: int, code: str, harness: RunHarness, api: PlayedApi
) -> None:
    sent = page(f"{status} X\n{HTML}\nretry-after: 0", "<title>Bad gateway</title><p>nginx")
    api.play(sent)
    _, reply = await ask(harness)
    assert (reply["status"], reply["error"]["code"]) == ("failed", code)
    for told in (str(status), "Bad gateway", "127.0.0.1"):
        assert told in reply["error"]["message"]
    assert len(api.requests) == 3
