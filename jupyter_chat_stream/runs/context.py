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
from .reply_turns import MIN_RESULT_CHARS, end_of_rounds
from .turns import Draft, FileBlock, TurnMaker

CHARS_PER_TOKEN = 3.0
MAX_BRANCH = 2000
ANSWER_TOKENS = 32_000  # reserved for an answer unless the request asks for another length


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The prompt's data from log and settings. ``begun_ms``: the time when work on the run began.

    ``provider_data``: by run id, the blocks that only their provider gets back. ``tools``: the
    definitions that were resolved for the run; None before that. ``offers`` and
    ``thread_tools``: the input of that resolution. ``rounds_usage``: the usage of the ended rounds.
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
    thread_tools: ThreadTools | None = None
    rounds_usage: Usage | None = None


async def gather(store: ChatStore, run: RunRef, system: str | None) -> Gathered:
    """Read the run's branch and the system prompts that apply, widest first."""
    context = await store.runs.context(run, MAX_BRANCH, store.now_ms())
    systems = (system, context.preferences["system"], context.thread["system"])
    return Gathered(
        reply=context.reply,
        branch=tuple(context.branch),
        systems=tuple(text for text in systems if text),
        begun_ms=context.begun_ms,
        owner=context.thread["owner"],
        upstream=context.upstream,
        provider_data=context.provider_data,
        tools=context.tools,
        offers=context.offers,
        thread_tools=context.thread.get("tools"),
        rounds_usage=context.spent,
    )


async def gather_round(store: ChatStore, run: RunRef, gathered: Gathered) -> Gathered:
    """Read the reply again after a round of tool calls; the messages before it stay."""
    context = await store.runs.reply_context(run)
    return replace(
        gathered,
        reply=context.reply,
        upstream=context.upstream,
        provider_data={**gathered.provider_data, **context.provider_data},
        tools=gathered.tools if context.tools is None else context.tools,
        rounds_usage=context.spent,
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
                    content = await store.attachments.content(self.owner, block.attachment_id)
                    files[block.attachment_id] = content
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
    max_tokens = _max_tokens(options.pop("max_tokens", answer_tokens(model)), model)
    partial = content_of(gathered.reply["parts"][end_of_rounds(gathered.reply["parts"]) :])
    definitions = params.get("tools") if gathered.tools is None else gathered.tools
    tools = tuple(map(tool_of, definitions or ()))
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


def answer_tokens(model: Model) -> int:
    """Return how many tokens are reserved for an answer, unless the request sets a length."""
    # A canned answer has a fixed length, so a bound would gain nothing.
    max_tokens = model.max_output_tokens
    return max_tokens if model.canned else min(max_tokens, ANSWER_TOKENS)


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


def _max_tokens(value: Any, model: Model) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadRequest("'max_tokens' must be a whole number, at least 1.", field="max_tokens")
    return min(value, model.max_output_tokens)


def _fitting(drafts: Sequence[Draft], budget: float) -> list[Draft]:
    """Return the newest turns that fit, beginning with a person's turn.

    Results of tools are shortened before a turn is left out: the oldest first. Results after the
    person's last turn are shortened only if that turn does not fit otherwise.
    """
    newest_start = max((index for index, draft in enumerate(drafts) if draft.is_persons), default=0)
    newest = _shortened(drafts[newest_start:], budget)
    older_budget = budget - _total(newest)
    fitting: list[Draft] = []
    for draft in reversed([*_shortened(drafts[:newest_start], older_budget), *newest]):
        budget -= draft.chars()
        if budget < 0:
            break
        fitting.append(draft)
    fitting.reverse()
    while fitting and not fitting[0].is_persons:  # a prompt begins with a person's turn
        fitting.pop(0)
    # A prompt must not contain a result without its call.
    return [fitting[0].without_results(), *fitting[1:]] if fitting else []


def _shortened(drafts: Sequence[Draft], budget: float) -> list[Draft]:
    """Shorten results of tools and omit their files, oldest first, until the turns fit."""
    shorter = list(drafts)
    excess = _total(shorter) - budget
    for index, draft in enumerate(shorter):
        if excess <= 0:
            break
        shorter[index] = draft.shortened(MIN_RESULT_CHARS).without_result_files()
        excess -= draft.chars() - shorter[index].chars()
    return shorter


def _total(drafts: Sequence[Draft]) -> int:
    return sum(draft.chars() for draft in drafts)


def _mark_for_caching(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Mark the newest turn, and the last turn of the previous prompt."""
    marked_indexes = {len(turns) - 1, len(turns) - 3}
    return tuple(replace(turn, cache=index in marked_indexes) for index, turn in enumerate(turns))
