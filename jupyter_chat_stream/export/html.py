"""Write a thread as one HTML file without scripts or remote content.

The HTML of a message has only elements of an allow-list. A remote picture becomes a link. TeX stays
as source, because a typesetter would have to be downloaded.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from html import escape

from ..shared.markdown.copied_texts import visible
from ..shared.markdown.html import html_of
from ..shared.records import MessageRecord
from .blocks import (
    ExportBlock,
    Folded,
    NoteLine,
    Picture,
    ReadPicture,
    Text,
    blocks_of,
    no_picture,
    speaker,
)
from .markdown import moment, others_sentence
from .source import Source

_CSS = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }
header { border-bottom: 1px solid var(--line); margin-bottom: 1.5rem; }
header p, h2 small, footer, .note { opacity: .7; font-size: .85rem; font-weight: normal; }
article { margin: 0 0 1.5rem; } article.user { background: var(--soft); border-radius: .5rem;
  padding: .25rem 1rem; }
h2.who { font-size: 1rem; margin: .75rem 0; }
article h1 { font-size: 1.4rem; } article h2:not(.who) { font-size: 1.2rem; }
article h3 { font-size: 1rem; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: .4rem;
  padding: .75rem; overflow-x: auto; white-space: pre-wrap; }
code { font: .9em/1.5 ui-monospace, monospace; }
table { border-collapse: collapse; } th, td { border: 1px solid var(--line); padding: .3rem .6rem; }
blockquote { border-left: 3px solid var(--line); margin-left: 0; padding-left: 1rem; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; }
figcaption { opacity: .7; font-size: .85rem; }
.remark { border-left: 3px solid #c80; padding-left: 1rem; }
@media print { body { margin: 0; } details { display: none; } }
"""

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="jupyter-chat-stream">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<header><h1>{title}</h1>
<p>Thread <code>{id}</code> up to event {seq}, exported {at}</p></header>
<main>
"""


def pieces(source: Source) -> Iterator[str]:
    """Yield the text of the file, piece by piece."""
    yield _HEAD.format(
        title=escape(visible(source.title)),
        css=_CSS,
        id=escape(source.info["id"]),
        seq=source.seq,
        at=moment(source.at),
    )
    for message in source.shown_messages():
        yield article(message, source.picture)
    footer = (
        f"<footer><p>{escape(others_sentence(source))}</p></footer>\n" if source.other_count else ""
    )
    yield f"</main>\n{footer}</body>\n</html>\n"


def article(message: MessageRecord, read_picture: ReadPicture = no_picture) -> str:
    """Return the HTML of one message."""
    role = "user" if message["role"] == "user" else "assistant"
    who = f"{escape(visible(speaker(message)))} <small>{moment(message['created_at'])}</small>"
    inner = "\n".join(_block(block) for block in blocks_of(message, read_picture))
    id_ = escape(message["id"])
    return f'<article class="{role}" id="{id_}"><h2 class="who">{who}</h2>\n{inner}\n</article>\n'


def _block(block: ExportBlock) -> str:
    if isinstance(block, Text):
        return render(block.text)
    if isinstance(block, Folded):
        code = f"<pre><code>{escape(visible(block.text))}</code></pre>"
        return f"<details><summary>{escape(visible(block.title))}</summary>{code}</details>"
    if isinstance(block, NoteLine):
        return f'<p class="note"><em>{escape(visible(block.text))}</em></p>'
    if isinstance(block, Picture):
        title, data = escape(visible(block.title)), b64encode(block.data).decode()
        return (
            f'<figure><img src="data:{block.type};base64,{data}" alt="{title}">'
            f"<figcaption>{title}</figcaption></figure>"
        )
    text = escape(visible(block.text)).replace("\n", "<br>")
    return f'<p class="remark"><strong>{escape(block.label)}</strong> {text}</p>'


def render(text: str) -> str:
    """Turn Markdown into HTML that runs no script and loads nothing."""
    return html_of(visible(text))
