"""Messages as values that a cell shows as their text."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import cast

from ..shared.endings import words_of_end
from ..shared.markdown.copied_texts import visible
from ..shared.markdown.copies import harmless
from ..shared.parts import files_of_results
from ..shared.records import Failure, Incomplete, MessageRecord, Part, Usage
from ..shared.saved_copy import snapshot, speaker
from .attachments.attachment import Attachment
from .output import execution_id
from .paged_list import PagedList


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a thread, as of its reading.

    A cell shows its Markdown, made harmless for every renderer; ``str`` returns its text unchanged.
    ``incomplete`` tells what is missing of a completed answer, ``{reason, message}``; None if
    nothing is missing.
    """

    id: str
    role: str
    status: str
    content: str = field(repr=False)
    model: str | None
    usage: Usage | None
    error: Failure | None
    parts: tuple[Part, ...] = field(repr=False)
    run_id: str | None
    parent_id: str | None = None
    seq: int
    incomplete: Incomplete | None = None
    shown_in: str | None = field(default=None, compare=False)

    @classmethod
    def from_wire(cls, wire: MessageRecord, shown_in: str | None = None) -> Message:
        names = {each.name for each in fields(cls)} - {"parts", "shown_in"}
        values = {name: wire.get(name) for name in names}
        return cls(**values, parts=tuple(wire["parts"]), shown_in=shown_in)  # type: ignore[arg-type]

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The attachments of a person's message, or the files of the results of a reply's tools."""
        attachments = [
            part for part in self.parts if part["kind"] == "attachment" and "attachment_id" in part
        ]
        return tuple(map(Attachment.from_wire, [*attachments, *files_of_results(self.parts)]))

    def _record(self) -> MessageRecord:
        return cast(MessageRecord, vars(self))

    def __str__(self) -> str:
        return self.content

    def __repr__(self) -> str:
        text = visible(" ".join(self.content.split()))
        text = text if len(text) <= 60 else text[:59] + "…"
        end_words = words_of_end(self._record()) if self.incomplete else self.status
        status = "" if end_words == "completed" else f" ({end_words})"
        return f"{visible(speaker(self._record()))}{status}: {text}"

    def _ipython_display_(self) -> None:
        """Show the text, except in the cell where ``ask`` already shows the live view."""
        from IPython.display import display

        if self.shown_in is None or self.shown_in != execution_id():
            words = words_of_end(self._record())
            end = f"\n\n*({words})*" if words else ""
            bundle = {
                "text/markdown": harmless(self.content) + end,
                "text/plain": visible(self.content) + end,
            }
            display(bundle, raw=True)


class Messages(PagedList[Message]):
    """The messages of a thread: a list that a cell shows as the thread's text.

    The older messages of a long thread are fetched when they are read.
    """

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.here())) or "(no messages)"

    def _repr_markdown_(self) -> str:
        return snapshot(message._record() for message in self.here())
