"""Gathers the context: the text that a model reads before it answers.

The context follows the branch (``parent_id``), not the order of events. It contains the newest
whole turns that fit the model's budget. ``turns`` makes turns from messages. Before a turn is left
out, long results of tools are shortened. The size in tokens is estimated from characters
(``CHARS_PER_TOKEN`` is low on purpose). If a prompt is too long anyway, the provider refuses it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ..providers.base import Answered, Model, Prompt, Tool, Turn, Upstream
from ..providers.prompt_tools import tool_of
from ..shared.endings import content_of
from ..shared.errors import AttachmentNotFound, BadRequest, PromptTooLong
from ..shared.json_objects import JsonObject
from ..shared.records import MessageRecord, Params, ToolDefinition, Usage
from ..shared.tool_records import ThreadTools, ToolRecord
from ..store.front import ChatStore, ProviderData, RunRef, UpstreamPlace
from . import parameters
from .reply_turns import MIN_RESULT_CHARS, unfinished
from .turns import Draft, FileBlock, TurnMaker

CHARS_PER_TOKEN = 3.0
MAX_BRANCH = 2000
ANSWER_TOKENS = 32_000  # reserved for an answer unless the request asks for another length


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The prompt's data from log and settings. ``begun_ms``: the time when work on the run began.

    ``provider_data``: by run id, the blocks that only their provider gets back. ``tools``: the
    definitions that were resolved for the run; None before that. ``offers`` and ``chosen``: the
    input of that resolution. ``spent``: the usage of the ended rounds.
    """

    reply: MessageRecord
    branch: tuple[MessageRecord, ...]
    systems: tuple[str, ...]
    begun_ms: int = 0
    owner: str = ""
    upstream: UpstreamPlace | None = None
    provider_data: Mapping[str, Sequence[ProviderData]] = field(default_factory=dict)
    tools: Sequence[ToolDefinition] | None = None
    offers: Sequence[ToolRecord] = ()
    chosen: ThreadTools | None = None
    spent: Usage | None = None


async def gather(store: ChatStore, run: RunRef, system: str | None) -> Gathered:
    """Read the run's branch and the system prompts that apply, widest first."""
    found = await store.runs.context(run, MAX_BRANCH, store.now_ms())
    systems = (system, found.preferences["system"], found.thread["system"])
    return Gathered(
        reply=found.reply,
        branch=tuple(found.branch),
        systems=tuple(text for text in systems if text),
        begun_ms=found.begun_ms,
        owner=found.thread["owner"],
        upstream=found.upstream,
        provider_data=found.provider_data,
        tools=found.tools,
        offers=found.offers,
        chosen=found.thread.get("tools"),
        spent=found.spent,
    )


async def gather_round(store: ChatStore, run: RunRef, gathered: Gathered) -> Gathered:
    """Read the reply again after a round of tool calls; the messages before it stay."""
    found = await store.runs.reply_context(run)
    return replace(
        gathered,
        reply=found.reply,
        upstream=found.upstream,
        provider_data={**gathered.provider_data, **found.provider_data},
        tools=gathered.tools if found.tools is None else found.tools,
        spent=found.spent,
    )


@dataclass(frozen=True, kw_only=True)
class PromptDraft:
    """A prompt before the bytes of its files are read, with notes for the answer."""

    base: Prompt
    drafts: tuple[Draft, ...]
    maker: TurnMaker
    notes: tuple[str, ...]
    owner: str

    async def prompt(self, store: ChatStore) -> Prompt:
        """Read the bytes of the files, and return the prompt."""
        files: dict[str, bytes] = {}
        for block in (block for draft in self.drafts for block in draft.blocks):
            if isinstance(block, FileBlock) and block.attachment_id not in files:
                with suppress(AttachmentNotFound):
                    found = await store.attachments.content(self.owner, block.attachment_id)
                    files[block.attachment_id] = found
        return self.with_files(files)

    def with_files(self, files: Mapping[str, bytes]) -> Prompt:
        turns = [self.maker.turn(draft, files) for draft in self.drafts]
        return replace(self.base, turns=_mark_for_caching(turns))


def draft_prompt(
    gathered: Gathered, model: Model, params: Params, endpoint: str = ""
) -> PromptDraft:
    """Build the prompt within the model's budget, newest whole turns first.

    Args:
        endpoint: the provider that gets the prompt; it gets back only its own blocks.

    Raises:
        PromptTooLong: the newest turn alone does not fit.
        BadRequest: a parameter is invalid.
    """
    system = "\n\n".join(gathered.systems) or None
    options = _options(params, model, gathered.reply)
    max_tokens = _max_tokens(options.pop("max_tokens", answer_room(model)), model)
    partial = content_of(gathered.reply["parts"][unfinished(gathered.reply["parts"]) :])
    given = params.get("tools") if gathered.tools is None else gathered.tools
    tools = tuple(map(tool_of, given or ()))
    budget = (model.context_tokens - max_tokens) * CHARS_PER_TOKEN
    budget -= len(system or "") + len(partial) + sum(map(_chars_of, tools))
    data = gathered.provider_data
    maker = TurnMaker(model, endpoint, data, context_chars=budget, has_tools=bool(tools))
    drafts = _fitting(maker.drafts(gathered.branch, gathered.reply), budget)
    if not drafts:
        raise PromptTooLong(
            "The message is longer than the model reads at once "
            f"(about {model.context_tokens} tokens). Shorten it, or choose a larger model."
        )
    drafts, too_large = maker.within_bytes(drafts)
    base = Prompt(
        model=model.name,
        turns=(),
        system=system,
        partial=partial,
        upstream=_upstream(gathered.upstream),
        answers=_answers(gathered.reply),
        begun_at_ms=gathered.begun_ms,
        tools=tools,
        max_tokens=max_tokens,
        params=options,
    )
    return PromptDraft(
        base=base,
        drafts=tuple(drafts),
        maker=maker,
        notes=tuple(maker.notes(gathered.branch, too_large)),
        owner=gathered.owner,
    )


def _options(params: Params, model: Model, reply: MessageRecord) -> JsonObject:
    """Return the parameters of this round.

    A tool is forced in the first round only, because a model that must call a tool in each round
    never ends.
    """
    defaults = parameters.taken_by(model, params.get("defaults") or {})
    options = {**defaults, **(params.get("params") or {})}
    choice = options.get("tool_choice")
    is_forced = isinstance(choice, Mapping) and choice.get("type") in ("any", "tool")
    if is_forced and any(part["kind"] == "tool_result" for part in reply["parts"]):
        del options["tool_choice"]
    return options


def _upstream(place: UpstreamPlace | None) -> Upstream | None:
    return None if place is None else Upstream(handle=place.handle, cursor=place.cursor)


def answer_room(model: Model) -> int:
    """Return how many tokens are reserved for an answer, unless the request sets a length."""
    # A canned answer has a fixed length, so a bound would gain nothing.
    most = model.max_output_tokens
    return most if model.canned else min(most, ANSWER_TOKENS)


def _answers(reply: MessageRecord) -> tuple[Answered, ...]:
    """Return the reply's answered questions.

    The questions about tool calls are left out, because the provider has not asked them.
    """
    return tuple(
        Answered(prompt=part["prompt"], value=part["value"], by=part["by"])
        for part in reply["parts"]
        if part["kind"] == "input_request"
        and part["by"] is not None
        and part.get("tool_call_id") is None
    )


def _chars_of(tool: Tool) -> int:
    """Estimate the length of a tool's definition in characters of text."""
    schema = json.dumps(tool.input_schema, ensure_ascii=False)
    return len(tool.name) + len(tool.description) + len(schema)


def _max_tokens(wanted: Any, model: Model) -> int:
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise BadRequest("'max_tokens' must be a whole number, at least 1.", field="max_tokens")
    return min(wanted, model.max_output_tokens)


def _fitting(drafts: Sequence[Draft], budget: float) -> list[Draft]:
    """Return the newest turns that fit, beginning with a person's turn.

    Results of tools are shortened before a turn is left out: the oldest first. Results after the
    person's last turn are shortened only if that turn does not fit otherwise.
    """
    last = max((index for index, draft in enumerate(drafts) if draft.is_persons), default=0)
    newest = _shortened(drafts[last:], budget)
    left = budget - _total(newest)
    kept: list[Draft] = []
    for draft in reversed([*_shortened(drafts[:last], left), *newest]):
        budget -= draft.chars()
        if budget < 0:
            break
        kept.append(draft)
    kept.reverse()
    while kept and not kept[0].is_persons:  # a prompt begins with a person's turn
        kept.pop(0)
    # A prompt must not contain a result without its call.
    return [kept[0].without_results(), *kept[1:]] if kept else []


def _shortened(drafts: Sequence[Draft], budget: float) -> list[Draft]:
    """Shorten results of tools and omit their files, oldest first, until the turns fit."""
    made = list(drafts)
    excess = _total(made) - budget
    for index, draft in enumerate(made):
        if excess <= 0:
            break
        made[index] = draft.shortened(MIN_RESULT_CHARS).without_result_files()
        excess -= draft.chars() - made[index].chars()
    return made


def _total(drafts: Sequence[Draft]) -> int:
    return sum(draft.chars() for draft in drafts)


def _mark_for_caching(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Mark the newest turn, and the last turn of the previous prompt."""
    marked = {len(turns) - 1, len(turns) - 3}
    return tuple(replace(turn, cache=index in marked) for index, turn in enumerate(turns))
