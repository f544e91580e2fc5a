"""Gathering the context: the text that a model reads before it answers.

The context follows the branch (``parent_id``), not the order of events: the newest whole turns that
fit the model's budget. It depends on outcomes too: a refused reply is left out with its question,
and a reply that was cut is marked. A prompt holds no results of tools, only the text around them.
The size in tokens is estimated from characters (``CHARS_PER_TOKEN``, low on purpose). If a prompt
is too long after all, the provider refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..providers.base import (
    Answered,
    Block,
    Model,
    Prompt,
    ReasoningBlock,
    TextBlock,
    Turn,
    Upstream,
)
from ..shared.endings import content_of, incomplete_of, is_refused
from ..shared.errors import BadRequest, PromptTooLong
from ..shared.records import MessageRecord, Params, Part, Role
from ..store.front import ChatStore, ProviderData, RunRef, UpstreamPlace

CHARS_PER_TOKEN = 3.0
MAX_BRANCH = 2000
ANSWER_TOKENS = 32_000  # reserved for an answer unless the request asks for another length
_MARKS = {
    "cancelled": "[The reader stopped this reply here.]",
    "failed": "[This reply broke off here.]",
    "interrupted": "[This reply broke off here.]",
}


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The prompt's data from log and settings; ``begun_ms`` is when work on the run began.

    ``provider_data`` holds the blocks that their provider gets back, by the run's id.
    """

    reply: MessageRecord
    branch: tuple[MessageRecord, ...]
    systems: tuple[str, ...]
    begun_ms: int = 0
    upstream: UpstreamPlace | None = None
    provider_data: Mapping[str, Sequence[ProviderData]] = field(default_factory=dict)


async def gather(store: ChatStore, run: RunRef, system: str | None) -> Gathered:
    """Read the run's branch and the system prompts that apply, widest first."""
    found = await store.runs.context(run, MAX_BRANCH)
    systems = (system, found.preferences["system"], found.thread["system"])
    return Gathered(
        reply=found.branch[-1],
        branch=tuple(found.branch[:-1]),
        systems=tuple(text for text in systems if text),
        begun_ms=found.begun_ms,
        upstream=found.upstream,
        provider_data=found.provider_data,
    )


def make_prompt(gathered: Gathered, model: Model, params: Params, endpoint: str = "") -> Prompt:
    """Build the prompt within the model's budget, newest whole turns first.

    Args:
        endpoint: the provider that gets the prompt: it gets back only its own blocks.

    Raises:
        PromptTooLong: not even the newest turn fits.
        BadRequest: a parameter has no meaning.
    """
    system = "\n\n".join(gathered.systems) or None
    options = dict(params.get("params") or {})
    max_tokens = _max_tokens(options.pop("max_tokens", answer_room(model)), model)
    partial = content_of(gathered.reply["parts"])
    budget = (model.context_tokens - max_tokens) * CHARS_PER_TOKEN
    budget -= len(system or "") + len(partial)
    own = _OwnData(gathered.provider_data, endpoint, f"{endpoint}/{model.name}")
    turns = _fitting(_turns(gathered.branch, own), budget)
    if not turns:
        raise PromptTooLong(
            "The message is longer than the model reads at once "
            f"(about {model.context_tokens} tokens). Shorten it, or choose a larger model."
        )
    return Prompt(
        model=model.name,
        turns=_mark_for_caching(turns),
        system=system,
        partial=partial,
        upstream=_upstream(gathered.upstream),
        answers=_answers(gathered.reply),
        begun_at_ms=gathered.begun_ms,
        tools=tuple(params.get("tools") or ()),
        max_tokens=max_tokens,
        params=options,
    )


def _upstream(place: UpstreamPlace | None) -> Upstream | None:
    return None if place is None else Upstream(handle=place.handle, cursor=place.cursor)


def answer_room(model: Model) -> int:
    """Return how many tokens of the context are left for an answer, unless the request says so."""
    # A canned answer has its fixed length: cutting it gains nothing.
    most = model.max_output_tokens
    return most if model.canned else min(most, ANSWER_TOKENS)


def _answers(reply: MessageRecord) -> tuple[Answered, ...]:
    """Return the reply's answered questions; a question without an answer is left out."""
    return tuple(
        Answered(prompt=part["prompt"], value=part["value"], by=part["by"])
        for part in reply["parts"]
        if part["kind"] == "input_request" and part["by"] is not None
    )


def _max_tokens(wanted: Any, model: Model) -> int:
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise BadRequest("'max_tokens' must be a whole number, at least 1.", field="max_tokens")
    return min(wanted, model.max_output_tokens)


@dataclass(frozen=True)
class _OwnData:
    """The blocks that the prompt's provider gets back: those that came from it and this model."""

    by_run: Mapping[str, Sequence[ProviderData]]
    endpoint: str
    model_id: str

    def of(self, message: MessageRecord) -> list[ProviderData]:
        run_id = message.get("run_id")
        if run_id is None or message["model"] != self.model_id:
            return []
        found = self.by_run.get(run_id, ())
        return [item for item in found if item.endpoint == self.endpoint]


def _turns(branch: Sequence[MessageRecord], own: _OwnData) -> list[Turn]:
    """Make turns of messages: skip empty ones, join neighbours of one role."""
    turns: list[Turn] = []
    for message in _without_refused(branch):
        blocks = _blocks_of(message, own)
        if not any(block.text.strip() for block in blocks if isinstance(block, TextBlock)):
            continue
        role: Role = "user" if message["role"] == "user" else "assistant"
        if turns and turns[-1].role == role:
            turns[-1] = replace(turns[-1], blocks=(*turns[-1].blocks, *blocks))
        else:
            turns.append(Turn(role=role, blocks=blocks))
    return turns


def _blocks_of(message: MessageRecord, own: _OwnData) -> tuple[Block, ...]:
    """Return the text of a message, with the provider's own blocks after their parts."""
    data = own.of(message)
    if not data:
        return (TextBlock(text=_text_of(message)),)
    blocks: list[Block] = []
    begin = 0
    for item in data:
        blocks += _text_between(message["parts"], begin, item.part + 1)
        blocks.append(ReasoningBlock(data=item.data))
        begin = max(begin, item.part + 1)
    blocks += _text_between(message["parts"], begin, len(message["parts"]))
    mark = _mark_of(message)
    return (*blocks, TextBlock(text=mark)) if mark else tuple(blocks)


def _text_between(parts: Sequence[Part], begin: int, end: int) -> list[Block]:
    text = content_of(parts[begin:end])
    return [TextBlock(text=text)] if text.strip() else []


def _without_refused(branch: Sequence[MessageRecord]) -> list[MessageRecord]:
    """Leave out each refused reply and its question: a model that reads them refuses again."""
    kept: list[MessageRecord] = []
    for message in branch:
        if not is_refused(message):
            kept.append(message)
        elif kept and kept[-1]["role"] == "user":
            kept.pop()
    return kept


def _text_of(message: MessageRecord) -> str:
    attachments = [
        f'<attachment name="{part["name"]}">\n{part["text"]}\n</attachment>\n\n'
        for part in message["parts"]
        if part["kind"] == "attachment"
    ]
    text = "".join(attachments) + content_of(message["parts"])
    mark = _mark_of(message)
    return f"{text.rstrip()}\n\n{mark}" if mark and text.strip() else text


def _mark_of(message: MessageRecord) -> str:
    """Return the mark that tells the model that an earlier answer is incomplete."""
    if message["role"] != "assistant" or "status" not in message:
        return ""
    if incomplete_of(message) is not None:
        return "[This reply was cut off here.]"
    return _MARKS.get(message["status"], "")


def _fitting(turns: Sequence[Turn], budget: float) -> list[Turn]:
    kept: list[Turn] = []
    for turn in reversed(turns):
        budget -= len(turn.text)
        if budget < 0:
            break
        kept.append(turn)
    kept.reverse()
    while kept and kept[0].role == "assistant":  # a prompt begins with a person's turn
        kept.pop(0)
    return kept


def _mark_for_caching(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Mark the newest turn, and the last turn of the previous prompt."""
    marked = {len(turns) - 1, len(turns) - 3}
    return tuple(replace(turn, cache=index in marked) for index, turn in enumerate(turns))
