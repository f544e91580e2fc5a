"""The files of a server tool's result, stored before the result names them.

The reply holds them from the transaction on that writes the result, so a result that is refused
leaves nothing behind (L12): its files are deleted, or expire if this process ends before. A file
that cannot be kept fails no call; the output tells it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..shared.config import ChatStream
from ..shared.errors import (
    AttachmentInUse,
    AttachmentNotFound,
    AttachmentTooLarge,
    ChatStreamError,
    StoreError,
)
from ..shared.events import canonical, clean_json, clean_text
from ..shared.media_types import TypeCheck
from ..shared.sizes import size_in_words
from ..shared.tool_outputs import with_notes
from ..store.front import (
    MAX_OUTPUT_BYTES,
    MAX_PER_MESSAGE,
    MAX_PER_RESULT,
    MAX_RESULT_FILES_BYTES,
    ChatStore,
)
from .tools.base import NewFile, ToolDone
from .uploads import Upload

MARGIN_BYTES = 16 * 1024  # of an output, for the sentences about its files
MAX_NAME_CHARS = 120


@dataclass(frozen=True, kw_only=True)
class KeptResult:
    """A result as it is written: its output, and the ids of its files."""

    success: bool
    output: Any
    attachment_ids: tuple[str, ...]


class ResultFiles:
    """Stores the files of one result, as attachments of one person."""

    def __init__(self, store: ChatStore, config: ChatStream, owner: str) -> None:
        self._store = store
        self._most = config.max_attachment_bytes
        self._owner = owner
        self._size = 0  # of the files that were stored

    async def keep(self, done: ToolDone) -> KeptResult:
        """Store the files of a result, and its whole output if it is too large for an event."""
        ids: list[str] = []
        lost = await self._store_all(done.attachments[: MAX_PER_RESULT - 1], ids)
        more = len(done.attachments) - (MAX_PER_RESULT - 1)
        if more > 0:
            lost.append(f"{more} more files were not kept: there are too many.")
        output, whole = bounded(with_notes(clean_json(done.output), lost))
        lost = await self._store_all(whole, ids)
        return KeptResult(
            success=done.success, output=with_notes(output, lost), attachment_ids=tuple(ids)
        )

    async def _store_all(self, files: Sequence[NewFile], ids: list[str]) -> list[str]:
        """Store some files and add their ids; returns a sentence for each that was not kept."""
        lost = []
        try:
            for file in files:
                try:
                    ids.append(await self._store_one(file))
                except StoreError:
                    raise
                except ChatStreamError as error:
                    lost.append(f"The file {_name(file)!r} was not kept: {error.message}")
        except BaseException:
            await self.drop(ids)
            raise
        return lost

    async def drop(self, attachment_ids: Sequence[str]) -> None:
        """Delete files that no result names."""
        for each in attachment_ids:
            try:
                await self._store.attachments.delete(self._owner, each)
            except (AttachmentNotFound, AttachmentInUse):
                pass  # it has gone, or the reply holds it after all
            except StoreError:
                return  # the database is away; they expire after a day

    async def _store_one(self, file: NewFile) -> str:
        name, size = _name(file), len(file.data)
        most = min(self._most, MAX_RESULT_FILES_BYTES - self._size)
        if size > most:
            raise AttachmentTooLarge(size, most)
        upload = Upload(
            self._store,
            self._owner,
            name=name,
            check=TypeCheck(file.type, name),
            size=size,
            most=MAX_PER_MESSAGE * self._most,
            is_live=lambda: True,
        )
        try:
            await upload.write(file.data)
            record = await upload.finish()
            self._size += size
            return record["id"]
        except BaseException:
            await upload.abandon()
            raise


def bounded(output: Any) -> tuple[Any, Sequence[NewFile]]:
    """Return an output that fits into an event; with the whole as a file, if it was cut."""
    is_text = isinstance(output, str)
    raw = (output if is_text else canonical(output)).encode("utf-8", "replace")
    if len(raw) <= MAX_OUTPUT_BYTES // 8 or _size(output) <= MAX_OUTPUT_BYTES:
        return output, ()
    name = "output.txt" if is_text else "output.json"
    text = raw.decode() if is_text else json.dumps(output, ensure_ascii=False, indent=1)
    data = text.encode("utf-8", "replace")
    said = f"[This is the beginning. The whole, {size_in_words(len(data))}, is in {name!r}.]"
    room = MAX_OUTPUT_BYTES - MARGIN_BYTES
    head = raw[:room].decode(errors="ignore")
    while _size(head) > room:  # characters that JSON writes with several bytes
        head = head[: len(head) // 2]
    type_ = "text/plain" if is_text else "application/json"
    return f"{head}\n{said}", (NewFile(name=name, type=type_, data=data),)


def _size(output: Any) -> int:
    return len(canonical(output).encode("utf-8", "surrogatepass"))


def _name(file: NewFile) -> str:
    """Return a name of one line, without a folder."""
    plain = "".join(char for char in clean_text(file.name) if char.isprintable())
    return plain.replace("\\", "/").rpartition("/")[2].strip()[:MAX_NAME_CHARS] or "file"
