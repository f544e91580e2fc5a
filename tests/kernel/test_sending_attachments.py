"""Attachments from Python to a real server, into a message, and back."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import threading
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tornado.httpclient import HTTPRequest, HTTPResponse

from jupyter_chat_stream import Attachment, Chat, Message
from jupyter_chat_stream.kernel import rest
from jupyter_chat_stream.kernel.attachments.outgoing import max_bytes
from jupyter_chat_stream.kernel.link import current
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from jupyter_chat_stream.shared.connection_file import Connection
from jupyter_chat_stream.shared.errors import (
    AttachmentNotFound,
    AttachmentTooLarge,
    AttachmentTypeRefused,
    IdempotencyMismatch,
    InvalidInput,
    WrongCall,
)
from tests.kernel.harness import ECHO, ROOT, JupyterServer, Kernel

PDF = b"%PDF-1.7\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with a report."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.pdf").write_bytes(PDF)
    return tmp_path


@pytest.fixture
def chat(here: JupyterServer, folder: Path) -> Chat:
    return Chat(uuid.uuid4().hex, model=ECHO)


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The method and the last word of the path of each request."""
    asked: list[str] = []
    exchanged = rest.exchange

    async def noted(to: Connection, request: HTTPRequest) -> HTTPResponse:
        asked.append(f"{request.method} {request.url.rpartition('/')[2]}")
        return await exchanged(to, request)

    monkeypatch.setattr(rest, "exchange", noted)
    return asked


def a_frame() -> pd.DataFrame:
    return pd.DataFrame({"month": ["Jan", "Feb"], "churn": [0.1, 0.7]})


def a_figure() -> Figure:
    figure = Figure(figsize=(2, 2), dpi=50)
    figure.subplots().plot([1, 3, 2])
    return figure


def test_a_frame_a_figure_and_a_file_are_sent_with_a_message_and_read_back(chat: Chat) -> None:
    frame = a_frame()
    chat.ask("What is odd here?", frame, a_figure(), "report.pdf")
    message = chat.messages[0]
    assert message.content == "What is odd here?"
    table, picture, report = message.attachments
    assert [each.type for each in message.attachments] == [
        "application/vnd.apache.parquet",
        "image/png",
        "application/pdf",
    ]
    assert "2 rows × 2 columns" in table.summary
    assert picture.summary == report.summary == ""
    pd.testing.assert_frame_equal(table.frame(), frame)
    assert picture._repr_mimebundle_()["image/png"].startswith("iVBORw0KGgo")
    assert (report.name, report.size, report.read()) == ("report.pdf", len(PDF), PDF)
    assert repr(report) == "Attachment('report.pdf', application/pdf, 9 bytes)"
    with pytest.raises(InvalidInput, match=r"'report.pdf' is no table"):
        report.frame()


async def test_the_awaited_calls_send_attachments_too(chat: Chat) -> None:
    sent = await chat.asend("One", "report.pdf")
    await sent
    reply = await chat.aask("Two", a_frame())
    assert isinstance(reply, Message)
    first, second = [message for message in chat.messages if message.role == "user"]
    assert await first.attachments[0].aread() == PDF
    assert second.attachments[0].summary


def test_the_model_gets_the_summary_of_a_table(chat: Chat) -> None:
    reply = chat.ask("What is in it?", a_frame(), model="demo/files")
    assert "table" in reply.content


def test_attachments_and_context_go_together(chat: Chat) -> None:
    chat.ask("", a_frame(), context={"limit": 0.5})
    message = chat.messages[0]
    assert message.content == ""
    assert [part["name"] for part in message.parts if part["kind"] == "attachment"] == [
        "limit",
        "table.parquet",
    ]
    assert len(message.attachments) == 1


def test_what_was_read_back_is_sent_again_without_an_upload(chat: Chat, paths: list[str]) -> None:
    chat.ask("First", a_frame(), "report.pdf")
    before = chat.messages[0].attachments
    paths.clear()
    chat.ask("Again", *before, before[0])
    assert "POST attachments" not in paths
    again = chat.messages[2].attachments
    assert [each.id for each in again] == [each.id for each in before]
    assert again[0].summary == before[0].summary != ""


def test_a_cell_that_runs_again_asks_once_l11(chat: Chat) -> None:
    """Guards L11: equal frames make equal bytes and equal summaries."""
    first = chat.ask("And in Q3?", a_frame(), a_figure(), key="q3")
    assert chat.ask("And in Q3?", a_frame(), a_figure(), key="q3") == first
    assert len(chat.messages) == 2
    with pytest.raises(IdempotencyMismatch):
        chat.ask("And in Q3?", a_frame().head(1), a_figure(), key="q3")


def test_a_lost_response_of_an_upload_or_a_message_sends_nothing_twice_l11(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards L11: each first response is lost after the server has done the work."""
    exchanged, lost = rest.exchange, set[str]()

    async def losing(to: Connection, request: HTTPRequest) -> HTTPResponse:
        answer = await exchanged(to, request)
        if request.method == "POST" and request.url not in lost:
            lost.add(request.url)
            raise rest.unavailable(to, ConnectionResetError())
        return answer

    monkeypatch.setattr(rest, "exchange", losing)
    chat.ask("See", "report.pdf")
    assert len(lost) == 2
    asked, _ = chat.messages
    assert asked.content == "See"
    assert [each.read() for each in asked.attachments] == [PDF]


def test_twenty_megabytes_are_in_memory_once(chat: Chat, folder: Path) -> None:
    data = np.random.default_rng(1).integers(0, 255, 20_000_000, np.uint8).tobytes()
    made = Attachment(b"\x89PNG\r\n\x1a\n" + data, name="big.png")
    del data
    tracemalloc.start()
    try:
        chat.send("Keep it", made).wait()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    assert chat.messages[0].attachments[0].size == made.size


def test_the_callers_thread_converts_and_the_links_does_not(chat: Chat) -> None:
    where: list[int] = []

    class Shown:
        def _repr_png_(self) -> bytes:
            where.append(threading.get_ident())
            buffer = io.BytesIO()
            a_figure().savefig(buffer, format="png")
            return buffer.getvalue()

    chat.send("See", Shown()).wait()
    asyncio.run(chat.asend("See", Shown()))
    assert where == [threading.get_ident()] * 2


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ("reprot.pdf", WrongCall, "Did you mean 'report.pdf'"),
        (Path(), InvalidInput, "it is a directory"),
        (Attachment(b"PK\x03\x04\x00", name="a.zip"), AttachmentTypeRefused, "'application/zip'"),
        (Attachment(b"no picture", name="a.png"), AttachmentTypeRefused, "'image/png'"),
        (object(), WrongCall, "type object cannot be attached"),
    ],
    ids=["no file", "folder", "type", "lying type", "object"],
)
def test_what_cannot_be_attached_is_said_and_nothing_is_sent(
    chat: Chat, value: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        chat.send("See", "report.pdf", value)
    assert chat.messages == []


def test_too_many_are_refused_before_any_is_converted(chat: Chat, paths: list[str]) -> None:
    with pytest.raises(WrongCall, match="at most 20 attachments, not 21"):
        chat.send("See", *["report.pdf"] * 21)
    assert paths == []


@pytest.mark.parametrize("call", ["schedule", "aschedule"])
def test_a_schedule_takes_no_attachments(chat: Chat, call: str) -> None:
    with pytest.raises(WrongCall, match="takes no attachments"):
        made = getattr(chat, call)("See", a_frame(), cron="0 9 * * *")
        asyncio.run(made)


def test_another_persons_attachment_does_not_exist(chat: Chat) -> None:
    """Guards L16: as for an id that nobody ever had."""
    stranger = Attachment.from_wire(
        {"kind": "attachment", "name": "a", "text": "", "attachment_id": "01m7w5qcxfjsnt91q91sfacd"}
    )
    with pytest.raises(AttachmentNotFound):
        stranger.read()
    with pytest.raises(AttachmentNotFound):
        chat.send("See", stranger)
    assert "not read: There is no attachment" in _shown(stranger, "image/png")


def _shown(attachment: Attachment, type_: str) -> str:
    attachment.type = type_
    return attachment._repr_mimebundle_()["text/plain"]


def test_an_interrupted_upload_sends_nothing(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    link = current()
    run = link.run

    def stopped(work: Any) -> Any:
        if work.__name__ == "_upload":
            work.close()
            raise KeyboardInterrupt
        return run(work)

    monkeypatch.setattr(link, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        chat.ask("See", "report.pdf")
    assert chat.messages == []


def test_data_before_the_text_are_told_their_place(chat: Chat) -> None:
    with pytest.raises(WrongCall, match=r"of type DataFrame\. The text comes first"):
        chat.send(a_frame(), "What is odd here?")  # type: ignore[arg-type]


def test_a_notebooks_own_names_are_the_names_of_its_attachments(
    here: JupyterServer, kernel: Kernel, name: str
) -> None:
    kernel.run(
        f"""
        import matplotlib.pyplot as plt
        import pandas as pd
        from jupyter_chat_stream import Chat

        sales = pd.DataFrame({{"n": range(3)}})
        trend, axes = plt.subplots()
        axes.plot([1, 2])
        Chat({name!r}, project="p", model="demo/echo").ask("See", sales, trend, axes)
        """.replace("\n        ", "\n")
    )
    sent = Chat(name, project="p").messages[0].attachments
    assert [each.name for each in sent] == ["sales.parquet", "trend.png", "axes.png"]
    shown = kernel.run(f"Chat({name!r}, project='p').messages[0].attachments[1]").shown
    assert shown[-1]["image/png"].startswith("iVBORw0KGgo")


@pytest.fixture
def small_server(
    jupyter_environment: dict[str, str],
    folder: Path,
    fresh_link: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[JupyterServer]:
    """A server whose attachments have at most 50 kB."""
    server = JupyterServer(
        jupyter_environment, folder, **{"ChatStream.max_attachment_bytes": 50_000}
    )
    server.start()
    monkeypatch.setenv(CONNECTION_ENV, str(server.connection))
    yield server
    server.stop()


@pytest.mark.slow
def test_the_servers_bound_is_kept_and_told(small_server: JupyterServer, folder: Path) -> None:
    chat = Chat("small", model=ECHO)
    link = current()
    assert link.run(max_bytes(link)) == 50_000
    frame = pd.DataFrame({"n": np.random.default_rng(1).random(100_000)})
    with pytest.warns(UserWarning, match="only its first") as told:
        chat.ask("See", frame)
    assert Path(told[0].filename).name == Path(__file__).name
    kept = chat.messages[0].attachments[0]
    assert 30_000 < kept.size <= 50_000
    pd.testing.assert_frame_equal(kept.frame(), frame.head(len(kept.frame())))
    (folder / "big.txt").write_text("x" * 50_001)
    with pytest.raises(AttachmentTooLarge, match=r"'big.txt' has 48.8 kB; at most 48.8 kB"):
        chat.send("See", "big.txt")
    with pytest.raises(AttachmentTooLarge, match="50000"):
        chat.send("See", Attachment(b"x" * 50_001, name="a.txt"))


def test_no_library_is_imported_for_a_user_who_sends_none() -> None:
    """narwhals is imported with the first frame, the others never by us."""
    code = (
        "import sys\nfrom jupyter_chat_stream import Attachment, Chat\n"
        "Attachment('x', name='a.txt')\n"
        "try:\n    Attachment(object())\nexcept TypeError:\n    pass\nprint(*sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"narwhals", "numpy", "pandas", "polars", "pyarrow", "matplotlib", "plotly", "PIL"}
    assert not heavy & set(out)
