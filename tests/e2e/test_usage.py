"""What a reader sees of tokens and costs: small lines that never move the text."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.e2e.conftest import OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.sites import Site
from tests.e2e.test_reading import written

TEXT = words(60)
USAGE = {"input_tokens": 1_000, "output_tokens": 234, "cost_usd": 0.0123}
# The gated model reads 1,000,000 tokens, of which it may write half.
NEARLY_FULL = {"input_tokens": 420_000, "output_tokens": 5_000}
_PLACES = """node => {
  const box = id => node.querySelector(`[data-testid=${id}]`).getBoundingClientRect();
  const log = node.querySelector('[data-testid=log]');
  return [box('composer').top, box('live').height, log.scrollHeight];
}"""
_IS_SHOWN = "node => getComputedStyle(node).opacity === '1'"


def is_shown(details: Locator) -> None:
    details.page.wait_for_function(_IS_SHOWN, arg=details.element_handle())


def test_an_answer_and_its_thread_tell_what_they_took_and_move_nothing(
    site: Site, open_beside: OpenBeside, name: str, gate: AnswerGate
) -> None:
    path, thread = written(site, name, MODEL)
    notebook = open_beside(path)
    chat = notebook.chat(0)
    chat.expect_live()
    run = site.send(thread, TEXT, usage=USAGE, **gate.params)
    gate.open(len(TEXT) - 6)  # all but the last word
    chat.expect_text(run, TEXT[:-6])
    expect(chat.root.get_by_test_id("usage")).to_have_count(0)
    before = chat.root.evaluate(_PLACES)
    gate.open()
    line = chat.answer(run).get_by_test_id("usage")
    expect(line.get_by_role("button")).to_have_text("1,234 tokens · $0.012")
    total = chat.root.get_by_test_id("thread-sum")
    expect(total).to_have_text("1,234 tokens · $0.012")
    expect(chat.root.get_by_test_id("context")).to_have_attribute("aria-valuenow", "0")
    assert chat.root.evaluate(_PLACES) == before

    details = chat.answer(run).get_by_test_id("usage-details")
    line.hover()
    is_shown(details)
    assert chat.root.evaluate(_PLACES) == before
    chat.field.hover()
    line.get_by_role("button").focus()
    is_shown(details)
    notebook.picture("usage")
    expect(details).to_contain_text("input 1,000output 234cost $0.012model gated/echo")

    site.wait_for(site.send(thread, "More", usage=NEARLY_FULL), "completed")
    warning = chat.root.get_by_test_id("context-warning")
    expect(warning).to_have_text(
        "This chat has used 85% of what the model reads; older messages will be left out."
    )
    notebook.picture("usage-near")
    expect(total).to_have_text("426,234 tokens · $0.012 · cost of 1 answer unknown")
