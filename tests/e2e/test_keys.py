"""Keys typed in a chat stay in the chat: on every control, in every state, on every page.

Each control is focused by itself; clicks are swallowed meanwhile, so that a key that works a
button (as Enter does) leaves the state as it is for the next control.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import notebooks
from tests.e2e.conftest import Open, OpenBeside
from tests.e2e.gated_provider import MODEL, AnswerGate, words
from tests.e2e.pages import NotebookPage
from tests.e2e.sites import FLAVOURS, Site

# Run, leave the cell, delete, cut, insert above and below, next cell, to Markdown, restart, stop.
KEYS = ["Shift+Enter", "Escape", *"ddxabjm00ii"]
# Typed on controls that take no text; in a text field all keys are typed.
FEW_KEYS = ["Shift+Enter", "Escape", "x"]
TEXT_FIELDS = "input, textarea, [contenteditable]"
LETTERS = "".join(key for key in KEYS if len(key) == 1)
CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex], [contenteditable]"
DRAFT = "a draft"
RICH = """A [link](https://example.org/) and a picture ![remote](https://example.org/picture.png)

```python
print("code")
```
"""
_LIST = f"""root => [...root.querySelectorAll({CONTROLS!r})]
  .filter(node => !node.disabled && node.getClientRects().length > 0)"""
_SWALLOW = """() => document.addEventListener('click', event => {
  event.preventDefault();
  event.stopImmediatePropagation();
}, true)"""


@dataclass(frozen=True, kw_only=True)
class State:
    """One chat in the notebook and what must be among its controls."""

    thread: str
    controls: frozenset[str]
    run: str | None = None
    opens: str | None = None  # what is clicked before, to see more


def states(site: Site, name: str, gate: AnswerGate) -> dict[str, State]:
    """Make a thread for each state a chat can be seen in."""
    gate.open(40)
    empty = site.thread(f"{name}-empty", MODEL)
    streaming = site.thread(f"{name}-streaming", MODEL)
    streaming_run = site.send(streaming, words(40), **gate.params)
    completed = site.thread(f"{name}-completed", "demo/echo")
    context = [{"name": "frame", "text": "a table"}]
    site.wait_for(site.send(completed, RICH, context=context), "completed")
    site.wait_for(site.send(completed, "Think", model="demo/thinking"), "completed")
    failed = site.thread(f"{name}-failed", "demo/fail")
    site.wait_for(site.send(failed, "Fail", failure="bad_key", after_chars=60), "failed")
    cancelled = site.thread(f"{name}-cancelled", MODEL)
    cancelled_run = site.send(cancelled, words(40), **gate.params)
    site.wait_for(cancelled_run, "processing")
    site.chat("POST", f"runs/{cancelled_run}/cancel", {})
    site.wait_for(cancelled_run, "cancelled")
    asked = site.thread(f"{name}-asked", "demo/ask")
    site.wait_for(site.send(asked, "Ask", chars_per_second=0), "waiting")
    typed = site.thread(f"{name}-typed", "demo/ask")
    answer_first_question(site, site.send(typed, "Ask", chars_per_second=0))
    later = site.thread(f"{name}-later", MODEL)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for_later = {"content": "Later", "deliver_at": tomorrow.isoformat()}
    site.chat("POST", f"threads/{later}/messages", for_later)
    always = {"log", "resize", "field", "model", "later"}
    return {
        "empty": State(thread=empty, controls=frozenset(always)),
        "streaming": State(thread=streaming, controls=frozenset(always | {"stop"})),
        "exchange": State(
            thread=streaming, run=streaming_run, controls=frozenset({"log", "resize", "stop"})
        ),
        "completed": State(
            thread=completed, controls=frozenset(always | {"copy-code", "A", "SUMMARY"})
        ),
        "failed": State(
            thread=failed, controls=frozenset(always | {"parameters", "retry", "continue"})
        ),
        "cancelled": State(thread=cancelled, controls=frozenset(always | {"retry"})),
        "asked": State(thread=asked, controls=frozenset(always | {"stop", "choice"})),
        "typed": State(thread=typed, controls=frozenset(always | {"stop", "answer-field"})),
        "later": State(
            thread=later, controls=frozenset(always | {"cancel-later", "later-at"}), opens="later"
        ),
        "saved": State(thread="of-another-server", controls=frozenset({"A"})),
    }


def answer_first_question(site: Site, run: str) -> None:
    """Answer what a run asks first, and wait until it asks again."""
    reply = site.messages(site.wait_for(run, "waiting")["thread_id"])[-1]
    asked = next(part for part in reply["parts"] if part["kind"] == "input_request")
    answer = {"request_id": asked["request_id"], "value": asked["choices"][0]}
    site.chat("POST", f"runs/{run}/input", answer)
    site.wait_for(run, "waiting")


@pytest.mark.parametrize("site", FLAVOURS, indirect=True)
def test_no_key_typed_on_any_control_reaches_the_notebook(
    site: Site, open_notebook: Open, name: str, gate: AnswerGate
) -> None:
    all_states = states(site, name, gate)
    cells = [
        notebooks.code(f"{state} = 1", notebooks.chat_output(of.thread, RICH, of.run))
        for state, of in all_states.items()
    ]
    notebook = open_notebook(site, notebooks.write(site, name, *cells))
    before = notebook.cells()
    for index, of in enumerate(all_states.values()):
        if of.opens is not None:
            # Not by mouse: the cell may be out of sight.
            notebook.chat(index).root.get_by_test_id(of.opens).dispatch_event("click")
    notebook.page.evaluate(_SWALLOW)
    for index, (state, of) in enumerate(all_states.items()):
        chat = notebook.chat(index)
        chat.root.scroll_into_view_if_needed()
        chat.root.get_by_test_id("saved-copy" if state == "saved" else "live").wait_for()
        if state != "saved":
            chat.expect_live()
        if chat.field.count():
            chat.field.fill(DRAFT)
        seen = type_on_every_control(notebook, index)
        assert of.controls <= seen, f"{state}: {sorted(of.controls - seen)} were not there"
        assert notebook.cells() == before, f"a key typed in the {state} chat reached the notebook"
        notebook.picture(f"keys-{state}")
        if chat.field.count():
            assert chat.field.input_value() == f"{DRAFT}\n{LETTERS}"
    assert notebook.page.locator(".jp-Dialog").count() == 0


def test_the_same_keys_typed_beside_a_chat_would_delete_its_cell(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    """The test above can fail: what it watches is there to be lost."""
    output = notebooks.chat_output(site.thread(name, MODEL), "")
    path = notebooks.write(site, name, notebooks.code("1", output), notebooks.code("2"))
    notebook = open_beside(path)
    chat = notebook.chat(0)
    chat.expect_live()
    chat.root.evaluate(
        """root => {
          const button = document.createElement('button');
          root.parentElement.append(button);
          button.focus();
        }"""
    )
    notebook.page.keyboard.press("d")
    notebook.page.keyboard.press("d")
    notebook.wait_until("panel => panel.content.model.cells.length === 1")


def type_on_every_control(notebook: NotebookPage, cell: int) -> set[str]:
    """Type the keys on each control of a chat; give the names of those there were."""
    chat = notebook.chats_in(cell).element_handle()
    controls = notebook.page.evaluate_handle(_LIST, chat)
    seen: set[str] = set()
    for index in range(int(controls.evaluate("all => all.length"))):
        control: Any = controls.evaluate_handle("(all, index) => all[index]", index).as_element()
        seen |= set(control.evaluate("node => [node.dataset.testid ?? node.tagName]"))
        for key in KEYS if control.evaluate(f"node => node.matches({TEXT_FIELDS!r})") else FEW_KEYS:
            # A control may be drawn anew, or gone: then it has no focus to take keys with.
            if control.evaluate("node => { node.focus(); return document.activeElement === node }"):
                notebook.page.keyboard.press(key)
    return seen
