"""Files in the composer and in messages: pasted, dropped, chosen, sent, and harmless (L11)."""

from __future__ import annotations

import base64
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.e2e import notebooks
from tests.e2e.conftest import OpenBeside
from tests.e2e.pages import ChatView, NotebookPage
from tests.e2e.sites import FLAVOURS, Site

MODEL = "demo/echo"
PDF = (
    b"%PDF-1.4\n1 0 obj\n<< /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>\nendobj\n%%EOF\n"
)
# What a paste or a drop of the browser brings, as events that a page may make by itself.
_BRING = """(node, { kind, files }) => {
  const data = new DataTransfer();
  for (const { name, type, content } of files) {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    data.items.add(new File([bytes], name, { type }));
  }
  const init = { bubbles: true, cancelable: true };
  const event = kind === 'paste'
    ? new ClipboardEvent(kind, { ...init, clipboardData: data })
    : new DragEvent(kind, { ...init, dataTransfer: data });
  node.dispatchEvent(event);
}"""
_TO_START = "node => node.scrollTo(0, 0)"
_HEIGHT = "node => node.getBoundingClientRect().height"
_LOADED = "node => node.complete && node.naturalWidth > 0"
Brought = tuple[str, str, bytes]  # a file's name, its type for the browser, its bytes


def png(width: int, height: int, *, noise: bool = False) -> bytes:
    """Make an image; one of noise has three bytes for each of its points."""
    row = b"\0" + b"\x30\x80\xd0" * width
    rows = (b"\0" + os.urandom(3 * width) if noise else row for _ in range(height))
    pixels = zlib.compress(b"".join(rows), 0 if noise else 6)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


PLOT: Brought = ("plot.png", "image/png", png(320, 200))


def bring(chat: ChatView, kind: str, *files: Brought) -> None:
    """Paste into the field, or drop on the log."""
    node = chat.field if kind == "paste" else chat.log
    listed = [
        {"name": name, "type": type_, "content": base64.b64encode(content).decode()}
        for name, type_, content in files
    ]
    node.evaluate(_BRING, {"kind": kind, "files": listed})


def expect_attached(chat: ChatView, count: int) -> None:
    states = ["attached"] * count
    chips = chat.root.get_by_test_id("chip")
    expect(chips).to_have_count(count)
    for chip, state in zip(chips.all(), states, strict=True):
        expect(chip).to_have_attribute("data-state", state)


def written(site: Site, name: str) -> str:
    """Write a notebook with one chat; return its path."""
    output = notebooks.chat_output(site.thread(name, MODEL), "")
    return notebooks.write(site, name, notebooks.code("1", output))


def opened(site: Site, open_beside: OpenBeside, name: str) -> NotebookPage:
    """Open a notebook with one chat."""
    notebook = open_beside(written(site, name))
    notebook.chat(0).expect_live()
    return notebook


def attachments(site: Site, thread: str) -> list[tuple[str, str, int]]:
    """The name, type and size of each attachment of a thread's first message."""
    parts: Sequence[dict[str, object]] = site.messages(thread)[0]["parts"]
    return [
        (str(part["name"]), str(part["type"]), int(str(part["size"])))
        for part in parts
        if part["kind"] == "attachment"
    ]


@pytest.mark.parametrize("site", FLAVOURS, indirect=True)
def test_pasted_and_dropped_files_are_sent_and_drawn_in_boxes_that_do_not_move(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    notebook = opened(site, open_beside, name)
    chat = notebook.chat(0)
    table = b"day,price\nMon,3\n"
    bring(chat, "paste", PLOT)
    bring(chat, "drop", ("prices.csv", "text/csv", table), ("report.pdf", "application/pdf", PDF))
    expect_attached(chat, 3)
    status = chat.root.get_by_test_id("attach-status")
    expect(status).to_contain_text("3 files attached. demo: canned")
    expect(status).to_contain_text("cannot read PDFs")
    notebook.picture("attach-composer")
    run = chat.send("What is odd here?")
    chat.expect_status(run, "completed")
    expect(chat.root.get_by_test_id("chip")).to_have_count(0)
    assert attachments(site, chat.thread) == [
        ("plot.png", "image/png", len(PLOT[2])),
        ("prices.csv", "text/csv", len(table)),
        ("report.pdf", "application/pdf", len(PDF)),
    ]
    held: list[Route] = []
    notebook.page.route("**/attachments/*", lambda route: held.append(route))
    notebook.reload()
    chat.expect_live()
    picture = chat.root.get_by_test_id("picture")
    expect(picture).to_have_attribute("data-state", "loading")
    before = chat.questions.first.evaluate(_HEIGHT)
    for route in held:
        route.continue_()
    notebook.page.unroute("**/attachments/*")
    expect(picture).to_have_attribute("data-state", "ready")
    image = chat.root.get_by_test_id("thumbnail").locator("img")
    notebook.page.wait_for_function(_LOADED, arg=image.element_handle())
    assert chat.questions.first.evaluate(_HEIGHT) == before
    chat.log.evaluate(_TO_START)
    notebook.picture("attach-message")
    chat.root.evaluate("node => { node.style.width = '280px'; }")
    chat.log.evaluate(_TO_START)
    notebook.picture("attach-280", in_all_looks=False)
    with notebook.page.expect_download() as download:
        chat.root.get_by_test_id("download").last.click()
    assert download.value.suggested_filename == "report.pdf"
    assert Path(download.value.path()).read_bytes() == PDF


def test_an_image_opens_larger_by_the_keyboard_and_the_focus_comes_back(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    notebook = opened(site, open_beside, name)
    chat = notebook.chat(0)
    bring(chat, "paste", ("plot.png", "image/png", png(1800, 1400)))
    expect_attached(chat, 1)
    chat.send_typed()
    before = notebook.cells()
    thumbnail = chat.root.get_by_test_id("thumbnail")
    expect(thumbnail).to_be_enabled()
    thumbnail.press("Enter")
    box = chat.root.get_by_test_id("lightbox")
    expect(box).to_be_visible()
    notebook.picture("lightbox")
    for key in ("d", "d", "x", "Tab"):
        notebook.page.keyboard.press(key)
    assert box.evaluate("node => node.contains(document.activeElement)")
    notebook.page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(thumbnail).to_be_focused()
    assert notebook.cells() == before


def test_a_draft_keeps_its_files_over_a_reload_and_tells_of_an_upload_that_was_cut(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    notebook = opened(site, open_beside, name)
    chat = notebook.chat(0)
    chat.field.fill("Look at this")
    bring(chat, "paste", PLOT)
    expect_attached(chat, 1)
    held: list[Route] = []
    notebook.page.route("**/attachments?*", lambda route: held.append(route))
    notebook.page.route("**/attachments", lambda route: held.append(route))
    bring(chat, "drop", ("late.csv", "text/csv", b"a,b\n"))
    chips = chat.root.get_by_test_id("chip")
    expect(chips.nth(1)).to_have_attribute("data-state", "uploading")
    notebook.reload()
    chat.expect_live()
    expect(chat.field).to_have_value("Look at this")
    expect(chips.nth(0)).to_have_attribute("data-state", "attached")
    image = chips.nth(0).locator("img")
    notebook.page.wait_for_function(_LOADED, arg=image.element_handle())
    expect(chips.nth(1)).to_contain_text("Attach it again.")
    notebook.picture("attach-cut")
    chat.root.get_by_test_id("send").click()
    expect(chat.root.get_by_test_id("problem")).to_contain_text("A file is not attached.")
    chips.nth(1).get_by_test_id("chip-remove").click()
    run = chat.send_typed()
    chat.expect_status(run, "completed")
    assert attachments(site, chat.thread) == [("plot.png", "image/png", len(PLOT[2]))]


def test_send_waits_for_a_large_image_and_a_larger_one_is_refused_before_its_upload(
    site: Site, open_beside: OpenBeside, name: str, tmp_path: Path
) -> None:
    notebook = opened(site, open_beside, name)
    chat = notebook.chat(0)
    large, larger = tmp_path / "large.png", tmp_path / "larger.png"
    large.write_bytes(png(2500, 2530, noise=True))
    larger.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(21 * 1024 * 1024))
    assert large.stat().st_size > 18_900_000
    chat.root.get_by_test_id("attach-input").set_input_files([large, larger])
    chip = chat.root.get_by_test_id("chip")
    expect(chip.nth(1)).to_contain_text("Too large: 21 MB. This server takes files of up to 20 MB.")
    chip.nth(1).get_by_test_id("chip-remove").click()
    run = chat.send_typed()
    chat.expect_status(run, "completed")
    assert attachments(site, chat.thread) == [("large.png", "image/png", large.stat().st_size)]
    assert len(notebook.seen.uploads) == 1
    thumbnail = chat.root.get_by_test_id("thumbnail").locator("img")
    notebook.page.wait_for_function(_LOADED, arg=thumbnail.element_handle())
    notebook.reload()
    chat.expect_live()
    notebook.page.wait_for_function(_LOADED, arg=thumbnail.element_handle())


HOSTILE = "<script>window.isCaught = 1</script>"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="window.isCaught = 1">{HOSTILE}</svg>'
LONG = "n" * 190
FILES: Sequence[Brought] = (
    (f"<img src=x onerror=window.isCaught=1>{LONG[:100]}.png", "image/png", PLOT[2]),
    ("invoice\u202efdp.html", "text/html", f"<!doctype html>{HOSTILE}".encode()),
    ("drawing.svg", "image/svg+xml", SVG.encode()),
    (f"{LONG}.py", "text/x-python", b"print(1)\n"),
    ("open.pdf", "application/pdf", PDF),
)


def test_nothing_of_a_hostile_file_runs_and_its_name_is_only_text(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    notebook = opened(site, open_beside, name)
    chat = notebook.chat(0)
    bring(chat, "drop", *FILES)
    expect_attached(chat, len(FILES))
    notebook.picture("attach-hostile-composer")
    run = chat.send("Look")
    chat.expect_status(run, "completed")
    expect(chat.root.get_by_test_id("picture")).to_have_attribute("data-state", "ready")
    question = chat.questions.first
    expect(question).to_contain_text("invoice\ufffdfdp.html")
    loading = "script, iframe, object, embed, svg:not(button *), a[href]"
    assert question.locator(loading).count() == 0
    assert question.locator("img").count() == 1
    width = "node => node.scrollWidth <= node.clientWidth"
    assert chat.log.evaluate(width)
    chat.log.evaluate(_TO_START)
    notebook.picture("attach-hostile-message")
    chat.root.evaluate("node => { node.style.width = '280px'; }")
    assert chat.log.evaluate(width)
    chat.log.evaluate(_TO_START)
    notebook.picture("attach-hostile-280", in_all_looks=False)
    for index in (1, 2):
        id_ = site.messages(chat.thread)[0]["parts"][index]["attachment_id"]
        tab = notebook.page.context.new_page()
        tab.goto(f"{site.url}api/chat-stream/status")
        with tab.expect_download() as download:
            tab.evaluate("id => { location.href = `attachments/${id}`; }", id_)
        assert Path(download.value.path()).read_bytes() == FILES[index][2]
        tab.close()
    assert notebook.page.evaluate("window.isCaught") is None


def test_a_type_that_nobody_reads_is_told_on_its_chip(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    notebook = opened(site, open_beside, name)
    chat = notebook.chat(0)
    bring(chat, "drop", ("a.zip", "application/zip", b"PK\x03\x04\xff\xff\0\0"), PLOT)
    chips = chat.root.get_by_test_id("chip")
    expect(chips.nth(0)).to_have_attribute("data-state", "failed")
    expect(chips.nth(0)).to_contain_text("no text in UTF-8")
    expect(chips.nth(1)).to_have_attribute("data-state", "attached")
    notebook.picture("attach-refused")
    notebook.seen.errors.clear()  # the browser itself notes the 415


def test_a_file_is_dragged_from_the_file_browser(
    site: Site, open_beside: OpenBeside, name: str
) -> None:
    (site.notebooks / "000-prices.csv").write_bytes(b"day,price\nMon,3\n")
    notebook = opened(site, open_beside, name)
    notebook.page.evaluate("window.jupyterapp.commands.execute('filebrowser:refresh')")
    chat = notebook.chat(0)
    item = notebook.page.locator(".jp-DirListing-item", has_text="000-prices.csv")
    item.hover()
    notebook.page.mouse.down()
    chat.field.hover(force=True)
    chat.log.hover(force=True)
    expect(chat.root.get_by_test_id("drop-hint")).to_be_visible()
    notebook.picture("attach-drop", in_all_looks=False)
    notebook.page.mouse.up()
    expect_attached(chat, 1)
    run = chat.send_typed()
    chat.expect_status(run, "completed")
    assert attachments(site, chat.thread) == [("000-prices.csv", "text/csv", 16)]
