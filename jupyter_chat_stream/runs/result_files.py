"""Stores the files of a server tool's result, before the result that names them is written.

The files belong to the reply from the transaction that writes the result. If the result is refused,
its files are deleted, or they expire if this process ends before that (L12). If a file cannot be
kept, the call does not fail; the output names the file and the reason.
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

MARGIN_BYTES = 16 * 1024  # space in an output for sentences about its files
MAX_NAME_CHARS = 120


@dataclass(frozen=True, kw_only=True)
class KeptResult:
    """A result with the ids of its stored files."""

    success: bool
    output: Any
    attachment_ids: tuple[str, ...]


class ResultFiles:
    """Stores the files of one result, as attachments of one person."""

    def __init__(self, store: ChatStore, config: ChatStream, owner: str) -> None:
        self._store = store
        self._max_bytes = config.max_attachment_bytes
        self._owner = owner
        self._size = 0  # of the stored files

    async def keep(self, result: ToolDone) -> KeptResult:
        """Store the files of a result, and also an output that is too large for an event."""
        try:
            value, success = clean_json(result.output), result.success
            max_files = MAX_PER_RESULT - (bounded(value)[1] is not None)
        except RecursionError:
            value, success, max_files = "The output of the tool is nested too deeply.", False, 0
        ids: list[str] = []
        problems = await self._store_all(result.attachments[:max_files], ids)
        if len(result.attachments) > max_files:
            problems.append(
                f"{len(result.attachments) - max_files} more files were not kept: too many."
            )
        output, full_file = bounded(with_notes(value, problems))
        if full_file is not None:
            problems = await self._store_all([full_file], ids)
            size = size_in_words(len(full_file.data))
            sentence = (
                f"The whole, {size}, is in {full_file.name!r}." if not problems else problems[0]
            )
            output = f"{output}\n[This is the beginning. {sentence}]"
        return KeptResult(success=success, output=output, attachment_ids=tuple(ids))

    async def _store_all(self, files: Sequence[NewFile], ids: list[str]) -> list[str]:
        """Store files and add their ids. Returns a sentence for each refused file."""
        problems = []
        try:
            for file in files:
                try:
                    ids.append(await self._store_file(file))
                except StoreError:
                    raise
                except ChatStreamError as error:
                    problems.append(f"The file {_name(file)!r} was not kept: {error.message}")
        except BaseException:
            await self.drop(ids)
            raise
        return problems

    async def drop(self, attachment_ids: Sequence[str]) -> None:
        """Delete files that no result names."""
        for attachment_id in attachment_ids:
            try:
                await self._store.attachments.delete(self._owner, attachment_id)
            except (AttachmentNotFound, AttachmentInUse):
                pass  # the file is gone, or a reply has it
            except StoreError:
                return  # the database is away; the files expire after a day

    async def _store_file(self, file: NewFile) -> str:
        name, size = _name(file), len(file.data)
        max_bytes = min(self._max_bytes, MAX_RESULT_FILES_BYTES - self._size)
        if size > max_bytes:
            raise AttachmentTooLarge(size, max_bytes)
        upload = Upload(
            self._store,
            self._owner,
            name=name,
            check=TypeCheck(file.type, name),
            size=size,
            max_unsent_bytes=MAX_PER_MESSAGE * self._max_bytes,
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


def without_files(output: Any, error: ChatStreamError) -> Any:
    """Return the output of a result after the store has refused its files."""
    return bounded(with_notes(output, [f"No file was kept: {error.message}"]))[0]


def bounded(output: Any) -> tuple[Any, NewFile | None]:
    """Return an output that fits into an event, and the complete output as a file if cut."""
    is_text = isinstance(output, str)
    raw = (output if is_text else canonical(output)).encode("utf-8", "replace")
    if len(raw) <= MAX_OUTPUT_BYTES // 8 or _size(output) <= MAX_OUTPUT_BYTES:
        return output, None
    name = "output.txt" if is_text else "output.json"
    text = raw.decode() if is_text else json.dumps(output, ensure_ascii=False, indent=1)
    data = text.encode("utf-8", "replace")
    max_head_bytes = MAX_OUTPUT_BYTES - MARGIN_BYTES
    head = raw[:max_head_bytes].decode(errors="ignore")
    while _size(head) > max_head_bytes:  # JSON needs several bytes for some characters
        head = head[: len(head) // 2]
    type_ = "text/plain" if is_text else "application/json"
    return head, NewFile(name=name, type=type_, data=data)


def _size(output: Any) -> int:
    return len(canonical(output).encode("utf-8", "surrogatepass"))


def _name(file: NewFile) -> str:
    """Return the file's name in one line, without a folder."""
    plain = "".join(char for char in clean_text(file.name) if char.isprintable())
    return plain.replace("\\", "/").rpartition("/")[2].strip()[:MAX_NAME_CHARS] or "file"
