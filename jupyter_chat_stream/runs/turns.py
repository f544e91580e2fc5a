"""Turns the messages of a branch into turns of a prompt. Pure: the bytes of files come later.

::

    messages ─► drafts (text, and files that the model can read) ─► those that fit ─► turns

A refused reply is left out with its question, and an incomplete reply gets a mark. A reply with
tool calls becomes several turns (``reply_turns``); in a prompt without tools, the calls and results
become text. A file that the model cannot read becomes a sentence, and ``notes`` tells the person.
Of the files of results, a model gets images and documents; the output describes the other files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape

from ..providers.base import (
    Block,
    DocumentBlock,
    ImageBlock,
    Model,
    ReasoningBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from ..shared.endings import content_of, incomplete_of, is_refused
from ..shared.events import ENDS
from ..shared.image_sides import sides_of
from ..shared.media_types import IMAGES, PDF, is_text
from ..shared.parts import result_files
from ..shared.records import AttachmentPart, MessageRecord, Part, Role
from ..shared.sizes import size_in_words
from ..store.front import ProviderData
from .drafts import Draft as Draft
from .drafts import DraftBlock, FileBudget, add_file, join_texts
from .drafts import FileBlock as FileBlock
from .reply_turns import end_of_rounds, has_rounds, reply_turns

# Longer text files are cut, so that one file leaves space for the conversation.
MAX_FILE_SHARE = 0.25  # of the model's context
# The newest files of a chat are sent again with each message, up to this size. Base64 adds a third,
# and Anthropic's API takes requests of 32 MB.
MAX_PROMPT_BYTES = 20 * 2**20
# Bounds for files of results, which no person has chosen: an API refuses the whole prompt because
# of one large image, or because of too many images.
MAX_RESULT_FILE_BYTES = 3_900_000  # base64 makes them 5.2 MB, just below Anthropic's 5 MB
MAX_RESULT_FILES = 20  # with the person's images; with more, an API allows only smaller images
MAX_RESULT_SIDE_PX = 8000
# The size in the budget of a file that a model reads unchanged; most files cost less.
IMAGE_CHARS = 4_800
MIN_DOCUMENT_CHARS = 9_000
MAX_DOCUMENT_CHARS = 300_000

_MARKS = {
    "cancelled": "[The reader stopped this reply here.]",
    "failed": "[This reply broke off here.]",
    "interrupted": "[This reply broke off here.]",
}


class TurnMaker:
    """Makes the turns of one prompt.

    Args:
        model: decides which files can be sent.
        endpoint: the provider that gets the prompt; it gets back only its own blocks.
        provider_data: the blocks that providers get back, by the run's id.
        context_chars: about how many characters fit into the model's context.
        has_tools: whether the prompt has tools; without tools, APIs refuse calls and results.
    """

    def __init__(
        self,
        model: Model,
        endpoint: str,
        provider_data: Mapping[str, Sequence[ProviderData]],
        *,
        context_chars: float,
        has_tools: bool = False,
    ) -> None:
        self._model = model
        self._endpoint = endpoint
        self._model_id = f"{endpoint}/{model.name}"
        self._provider_data = provider_data
        self._max_file_chars = max(0, int(context_chars * MAX_FILE_SHARE))
        self._has_tools = has_tools

    def drafts(
        self, branch: Sequence[MessageRecord], reply: MessageRecord | None = None
    ) -> list[Draft]:
        """Make the drafts of all messages that are not blank, and join neighbours of one role.

        Args:
            reply: the reply in progress, whose rounds come last.
        """
        message_drafts = [
            draft for message in _without_refused(branch) for draft in self._message(message)
        ]
        if reply is not None:
            message_drafts += self._rounds_so_far(reply)
        drafts: list[Draft] = []
        for draft in message_drafts:
            if not draft.blocks or all(isinstance(block, ReasoningBlock) for block in draft.blocks):
                continue
            blocks = draft.blocks
            if drafts and drafts[-1].role == draft.role:
                blocks = (*drafts.pop().blocks, *blocks)
            drafts.append(Draft(role=draft.role, blocks=blocks))
        return drafts

    def within_bytes(self, drafts: Sequence[Draft]) -> tuple[list[Draft], list[str]]:
        """Leave out old files beyond ``MAX_PROMPT_BYTES``. Returns the drafts, and notes.

        The newest files of results stay, up to ``MAX_RESULT_FILES`` together with the person's.
        """
        files = [
            block for draft in drafts for block in draft.blocks if isinstance(block, FileBlock)
        ]
        persons = sum(file.result_of is None and file.type in IMAGES for file in files)
        budget = FileBudget(MAX_PROMPT_BYTES, max(0, MAX_RESULT_FILES - persons))
        fitting = [budget.fitting(draft) for draft in reversed(drafts)]
        fitting.reverse()
        notes = [
            f"“{name}” is not sent to the model: the files of this chat are larger than "
            f"{MAX_PROMPT_BYTES // 2**20} MB together."
            for name in dict.fromkeys(budget.left_out_names)
        ]
        return fitting, notes

    def turn(self, draft: Draft, files: Mapping[str, bytes]) -> Turn:
        """Return a draft with the bytes of its files; a file without bytes is named as missing."""
        blocks_with_files: list[DraftBlock] = []
        for block in draft.blocks:
            if not isinstance(block, FileBlock):
                blocks_with_files.append(block)
                continue
            content = self._block_of(block, files.get(block.attachment_id))
            if block.result_of is None:
                blocks_with_files.append(content)
            else:
                add_file(blocks_with_files, block.result_of, content)
        prompt_blocks = (
            prompt_block
            for block in blocks_with_files
            for prompt_block in self._as_prompt_blocks(block)
        )
        return Turn(role=draft.role, blocks=tuple(join_texts(prompt_blocks)))

    def _as_prompt_blocks(self, block: DraftBlock) -> Iterator[Block]:
        """Yield a block; without tools in the prompt, a call or a result becomes text."""
        if isinstance(block, FileBlock):
            return
        if isinstance(block, (ToolUseBlock, ToolResultBlock)) and not self._has_tools:
            yield TextBlock(text=block.text)
            yield from block.files if isinstance(block, ToolResultBlock) else ()
        else:
            yield block

    def notes(self, branch: Sequence[MessageRecord], more_notes: Sequence[str] = ()) -> list[str]:
        """Return notes for the person about files that this model does not get.

        A note of an earlier answer by this model is repeated only for files of the newest message.

        Args:
            more_notes: further notes.
        """
        earlier_notes = {
            part["text"]
            for message in branch
            for part in message["parts"]
            if part["kind"] == "note" and message["model"] == self._model_id
        }
        newest = self._unread(branch[-1:])
        notes = dict.fromkeys([*self._unread(branch), *more_notes])
        return [note for note in notes if note not in earlier_notes or note in newest]

    def _unread(self, messages: Sequence[MessageRecord]) -> list[str]:
        return [
            f"{self._model.label} reads no {_kind_of(part)}: “{part['name']}” was left out."
            for message in messages
            for part in message["parts"]
            if part["kind"] == "attachment" and self._is_left_out(part)
        ]

    def _message(self, message: MessageRecord) -> Iterator[Draft]:
        """Yield the drafts of one message; a message with tool calls has several."""
        if not has_rounds(message["parts"]):
            role: Role = "user" if message["role"] == "user" else "assistant"
            yield Draft(role=role, blocks=tuple(join_texts(self._blocks(message))))
            return
        # Only a build may still be open: it continues beside this answer.
        is_ended = message.get("status", "completed") in ENDS
        for turn in reply_turns(message["parts"], self._own_data(message), is_ended=is_ended):
            yield self._draft(turn.role, turn.blocks, message["parts"])
        mark = _mark_of(message)
        if mark:
            yield Draft(role="assistant", blocks=(TextBlock(text=mark),))

    def _rounds_so_far(self, reply: MessageRecord) -> Iterator[Draft]:
        """Yield the drafts of the reply in progress, up to its last result."""
        count = end_of_rounds(reply["parts"])
        data = [item for item in self._own_data(reply) if item.part < count]
        for turn in reply_turns(reply["parts"][:count], data, is_ended=False):
            yield self._draft(turn.role, turn.blocks, reply["parts"])

    def _draft(self, role: Role, blocks: Sequence[Block], parts: Sequence[Part]) -> Draft:
        draft_blocks: tuple[DraftBlock, ...] = tuple(join_texts(self._with_files(blocks, parts)))
        return Draft(role=role, blocks=draft_blocks).shortened(self._max_file_chars)

    def _with_files(self, blocks: Sequence[Block], parts: Sequence[Part]) -> Iterator[DraftBlock]:
        """Yield the blocks, and after each result the files that the model can read."""
        for block in blocks:
            if not isinstance(block, ToolResultBlock):
                yield block
                continue
            files = [
                file
                for part in parts
                if part["kind"] == "tool_result" and part["tool_call_id"] == block.tool_call_id
                for file in result_files(part)
            ]
            unread = [file for file in files if not self._reads_of_result(file)]
            yield replace(block, remarks=tuple(map(_unread_file, unread)))
            for file in files:
                if file not in unread:
                    yield self._file_block(file, block.tool_call_id)

    def _reads_of_result(self, part: AttachmentPart) -> bool:
        is_small = part.get("size", 0) <= MAX_RESULT_FILE_BYTES
        return is_small and part.get("type") in (*IMAGES, PDF) and not self._is_left_out(part)

    def _blocks(self, message: MessageRecord) -> Iterator[Block | FileBlock]:
        for part in message["parts"]:
            if part["kind"] == "attachment":
                yield self._attachment(part)
        mark = _mark_of(message)
        data = self._own_data(message)
        if not data:
            text = content_of(message["parts"])
            yield TextBlock(text=f"{text.rstrip()}\n\n{mark}" if mark and text.strip() else text)
            return
        begin = 0
        for item in data:
            yield TextBlock(text=content_of(message["parts"][begin : item.part + 1]))
            yield ReasoningBlock(data=item.data)
            begin = max(begin, item.part + 1)
        yield TextBlock(text=content_of(message["parts"][begin:]))
        yield TextBlock(text=mark)

    def _own_data(self, message: MessageRecord) -> list[ProviderData]:
        """Return the blocks of a message that came from this endpoint and model."""
        run_id = message.get("run_id")
        if run_id is None or message["model"] != self._model_id:
            return []
        items = self._provider_data.get(run_id, ())
        return [item for item in items if item.endpoint == self._endpoint]

    def _attachment(self, part: AttachmentPart) -> TextBlock | FileBlock:
        if part["text"] or "attachment_id" not in part:
            return _text_file(part["name"], part["text"])
        if self._is_left_out(part):
            reason = f"you read no {_kind_of(part)}, so it is left out"
            return TextBlock(text=f"[The person attached {_title(part)}; {reason}.]")
        return self._file_block(part)

    def _file_block(self, part: AttachmentPart, result_of: str | None = None) -> FileBlock:
        type_, size = part.get("type", ""), part.get("size", 0)
        return FileBlock(
            attachment_id=part["attachment_id"],
            name=part["name"],
            type=type_,
            size=size,
            chars=self._chars_of(type_, size),
            result_of=result_of,
        )

    def _chars_of(self, type_: str, size: int) -> int:
        if type_ in IMAGES:
            return IMAGE_CHARS
        if type_ == PDF:
            return min(max(size // 8, MIN_DOCUMENT_CHARS), MAX_DOCUMENT_CHARS)
        return min(size, self._max_file_chars)

    def _is_left_out(self, part: AttachmentPart) -> bool:
        if part["text"] or "attachment_id" not in part:
            return False
        type_ = part.get("type", "")
        if type_ in IMAGES:
            return "images" not in self._model.can
        if type_ == PDF:
            return "documents" not in self._model.can
        return not is_text(type_)

    def _block_of(self, block: FileBlock, data: bytes | None) -> Block:
        if data is None:
            return TextBlock(text=f"[The file {block.name!r} is no longer there.]")
        if block.result_of is not None and block.type in IMAGES:
            sides = sides_of(data)
            if sides is None or max(sides) > MAX_RESULT_SIDE_PX:
                fault = "is broken" if sides is None else "has too many pixels for you"
                return TextBlock(text=f"[The image {block.name!r} {fault}.]")
        if block.type in IMAGES:
            return ImageBlock(name=block.name, type=block.type, data=data)
        if block.type == PDF:
            return DocumentBlock(name=block.name, type=block.type, data=data)
        text = data.decode("utf-8", "replace")
        return _text_file(block.name, text[: self._max_file_chars], len(text))


def _text_file(name: str, text: str, whole_chars: int | None = None) -> TextBlock:
    cut_chars = 0 if whole_chars is None else whole_chars - len(text)
    mark = f"\n[{cut_chars} more characters are left out.]" if cut_chars else ""
    name = escape(name, quote=True)
    return TextBlock(text=f'<attachment name="{name}">\n{text}{mark}\n</attachment>')


def _kind_of(part: AttachmentPart) -> str:
    type_ = part.get("type", "")
    if type_ in IMAGES:
        return "images"
    return "PDF documents" if type_ == PDF else f"files of type {type_}"


def _unread_file(part: AttachmentPart) -> str:
    """Return a sentence for the model about a result's file that the model does not get."""
    size = size_in_words(part.get("size", 0))
    description = f"{part['name']!r} ({part.get('type', '')}, {size})"
    return f"[The person sees the file {description} with this result; you do not get it.]"


def _title(part: AttachmentPart) -> str:
    return f"{part['name']!r} ({part.get('type', '')}, {part.get('size', 0)} bytes)"


def _without_refused(branch: Sequence[MessageRecord]) -> list[MessageRecord]:
    """Leave out refused replies with their questions, so that the model does not refuse again."""
    messages: list[MessageRecord] = []
    for message in branch:
        if not is_refused(message):
            messages.append(message)
        elif messages and messages[-1]["role"] == "user":
            messages.pop()
    return messages


def _mark_of(message: MessageRecord) -> str:
    """Return the mark of an earlier incomplete answer, for the model."""
    if message["role"] != "assistant" or "status" not in message:
        return ""
    if message["status"] not in ENDS:
        return "[This is not finished yet.]"
    if incomplete_of(message) is not None:
        return "[This reply was cut off here.]"
    return _MARKS.get(message["status"], "")
