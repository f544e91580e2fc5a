"""The demo model that reads files tells what is in their bytes, and nothing that is not there."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from jupyter_chat_stream.providers.base import (
    Block,
    DocumentBlock,
    ImageBlock,
    Prompt,
    TextBlock,
    Turn,
    text_turn,
)
from jupyter_chat_stream.providers.demo import MODELS, DemoProvider, answer_to
from jupyter_chat_stream.providers.demo.files import pages_of
from jupyter_chat_stream.shared.image_sides import sides_of
from tests.providers.streams import collect, text_of

# Images of 640 × 301 pixels, written by Pillow 12.
IMAGES = Path(__file__).with_name("images")
TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
PDF = b"""%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [3 0 R 10 0 R] /Count 2 >> endobj
3 0 obj << /Type /Page /Parent 2 0 R >> endobj
10 0 obj << /Type/Page /Parent 2 0 R >> endobj
%%EOF
3 0 obj << /Type /Page /Parent 2 0 R /Rotate 90 >> endobj
%%EOF
"""


def image(name: str) -> ImageBlock:
    data = (IMAGES / name).read_bytes()
    return ImageBlock(name=name, type=TYPES[name.rpartition(".")[2]], data=data)


def table(name: str, text: str) -> str:
    return f'<attachment name="{name}">\n{text}\n</attachment>\n\n'


def ask(*blocks: Block, earlier: tuple[Turn, ...] = ()) -> str:
    turns = (*earlier, Turn(role="user", blocks=blocks))
    return answer_to(Prompt(model="files", turns=turns))


@pytest.mark.parametrize("file", sorted(path.name for path in IMAGES.iterdir()))
def test_the_size_of_an_image_is_read_from_its_bytes(file: str) -> None:
    block = image(file)
    assert sides_of(block.data) == (640, 301)
    assert f"- `{file}`: a " in ask(block)
    assert "640 × 301 pixels" in ask(block)


@pytest.mark.parametrize("file", sorted(path.name for path in IMAGES.iterdir()))
def test_an_image_cut_at_any_place_has_its_size_or_none(file: str) -> None:
    block = image(file)
    for end in range(min(700, len(block.data))):
        assert sides_of(block.data[:end]) in (None, (640, 301))


def test_an_extended_webp_may_be_wider_than_16_bits() -> None:
    size = (99_999).to_bytes(3, "little") + (66_000).to_bytes(3, "little")
    data = b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size
    assert sides_of(data) == (100_000, 66_001)


def test_a_jpeg_of_padding_alone_ends_soon() -> None:
    assert sides_of(b"\xff\xd8" + b"\xff" * 5_000_000) is None


def test_an_image_that_cannot_be_read_is_named_with_its_size_in_bytes() -> None:
    answer = ask(ImageBlock(name="odd.png", type="image/png", data=b"\x89PNG" + b"x" * 2000))
    assert "- `odd.png`: a PNG image, with a header that I cannot read, 2 kB." in answer


def test_the_pages_of_a_pdf_are_counted_once_each() -> None:
    assert pages_of(PDF) == 2
    answer = ask(DocumentBlock(name="report.pdf", type="application/pdf", data=PDF))
    assert f"- `report.pdf`: a PDF document, 2 pages, {len(PDF)} bytes." in answer


def test_pages_that_are_compressed_are_not_guessed() -> None:
    data = b"%PDF-1.5\n1 0 obj << /Type /ObjStm >> stream\nx\nendstream endobj"
    assert pages_of(data) is None
    answer = ask(DocumentBlock(name="a.pdf", type="application/pdf", data=data))
    assert f"- `a.pdf`: a PDF document, {len(data)} bytes." in answer


def test_texts_are_counted_by_lines_and_apart_from_what_the_person_wrote() -> None:
    texts = table("R&amp;D.csv", "day,sum\n1,2\n3,4\n") + table("empty.txt", "")
    answer = ask(TextBlock(text=texts + "What is odd here?\nTell me."))
    assert "I got 2 attachments:" in answer
    assert "- `R&D.csv`: a text of 3 lines. It begins with `day,sum`." in answer
    assert "- `empty.txt`: an empty text." in answer
    assert answer.endswith("You wrote:\n\n> What is odd here?\n> Tell me.\n")


def test_every_kind_stands_in_the_order_in_which_it_was_sent() -> None:
    blocks = (
        TextBlock(text=table("a.csv", "x")),
        image("plain.png"),
        DocumentBlock(name="b.pdf", type="application/pdf", data=PDF),
        TextBlock(text="And now?"),
    )
    names = re.findall(r"^- `([^`]+)`", ask(*blocks), re.MULTILINE)
    assert names == ["a.csv", "plain.png", "b.pdf"]


def test_attachments_of_earlier_messages_are_named() -> None:
    earlier = (Turn(role="user", blocks=(image("plain.gif"),)), text_turn("assistant", "…"))
    answer = ask(TextBlock(text="And?"), earlier=earlier)
    assert "No attachment came with this message." in answer
    assert "From earlier messages I can read: `plain.gif`." in answer


@pytest.mark.parametrize("name", ["a`b.png", "a\nb.png", "<img src=x>.png", "x" * 500])
def test_a_name_stays_a_name(name: str) -> None:
    """Names come from people: nothing in them becomes Markdown or fills the page."""
    answer = ask(ImageBlock(name=name, type="image/png", data=b""))
    (line,) = [line for line in answer.splitlines() if line.startswith("- ")]
    assert line.count("`") == 2
    assert len(line) < 250


async def test_an_answer_about_files_goes_on_after_a_cut_at_every_place() -> None:
    """L4, L6."""
    turns = (Turn(role="user", blocks=(image("plain.png"), TextBlock(text="Hello"))),)
    whole = answer_to(Prompt(model="files", turns=turns))
    for cut in range(len(whole) + 1):
        prompt = Prompt(model="files", turns=turns, partial=whole[:cut])
        assert whole[:cut] + text_of(await collect(DemoProvider(pace=0), prompt)) == whole


def test_only_this_demo_model_says_that_it_reads_images() -> None:
    """To the others the run sends texts alone, with a sentence of what it left out."""
    able = {model.name for model in MODELS if {"images", "documents"} & set(model.can)}
    assert able == {"files"}
