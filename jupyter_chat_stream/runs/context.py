"""Gathering the context: what a model gets to read before it answers.

Context follows the branch (``parent_id``), not the order of events: the newest whole turns that fit
the model's budget. The size in tokens is estimated from characters (``CHARS_PER_TOKEN``, low on
purpose); what is too much after all the provider says itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ..errors import PromptTooLong
from ..messages import content_of
from ..providers.base import Model, Prompt, Turn
from ..store import rows
from ..store.log import RunRef, execute, fold_message
from ..store.threads import read_preferences

CHARS_PER_TOKEN = 3.0
MAX_BRANCH = 2000

_BRANCH = (
    "WITH RECURSIVE branch(id, depth) AS (SELECT id, 0 FROM message WHERE id = :id UNION ALL "
    "SELECT message.parent_id, depth + 1 FROM branch JOIN message ON message.id = branch.id "
    "WHERE message.parent_id IS NOT NULL AND depth < :most) "
    "SELECT {columns} FROM branch JOIN message ON message.id = branch.id ORDER BY depth DESC"
)


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What the log and the settings say of one run: its branch ends with its own reply."""

    reply: Mapping[str, Any]
    branch: tuple[Mapping[str, Any], ...]
    systems: tuple[str, ...]


def gather(conn: Connection, run: RunRef, system: str | None) -> Gathered:
    """Read the run's branch and the system prompts that apply, widest first."""
    columns = ", ".join("message." + name.strip() for name in rows.MESSAGE_COLUMNS.split(","))
    params = {"id": run.message_id, "most": MAX_BRANCH}
    found = execute(conn, _BRANCH.format(columns=columns), params).mappings().all()
    branch = [rows.message_wire(row, run.thread.id) for row in found]
    reply = fold_message(conn, run, branch[-1]).value()
    sql = "SELECT owner, system FROM thread WHERE pk = :pk"
    owner, thread_system = execute(conn, sql, {"pk": run.thread.pk}).one()
    systems = (system, read_preferences(conn, owner)["system"], thread_system)
    return Gathered(
        reply=reply, branch=tuple(branch[:-1]), systems=tuple(text for text in systems if text)
    )


def make_prompt(gathered: Gathered, model: Model, params: Mapping[str, Any]) -> Prompt:
    """Build the prompt within the model's budget, newest whole turns first.

    Raises:
        PromptTooLong: not even the newest turn fits.
    """
    system = "\n\n".join(gathered.systems) or None
    options = dict(params.get("params") or {})
    max_tokens = min(
        int(options.pop("max_tokens", model.max_output_tokens)), model.max_output_tokens
    )
    partial = content_of(gathered.reply["parts"])
    budget = (model.context_tokens - max_tokens) * CHARS_PER_TOKEN
    budget -= len(system or "") + len(partial)
    turns = _fitting(_turns(gathered.branch), budget)
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
        tools=tuple(params.get("tools") or ()),
        max_tokens=max_tokens,
        params=options,
    )


def _turns(branch: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """Make turns of messages: empty ones left out, neighbours of one role joined."""
    turns: list[Turn] = []
    for message in branch:
        text = _text_of(message)
        if not text.strip():
            continue
        role = "user" if message["role"] == "user" else "assistant"
        if turns and turns[-1].role == role:
            turns[-1] = Turn(role=turns[-1].role, text=f"{turns[-1].text}\n\n{text}")
        else:
            turns.append(Turn(role="user" if role == "user" else "assistant", text=text))
    return turns


def _text_of(message: Mapping[str, Any]) -> str:
    attachments = [
        f'<attachment name="{part["name"]}">\n{part["text"]}\n</attachment>\n\n'
        for part in message["parts"]
        if part["kind"] == "attachment"
    ]
    return "".join(attachments) + content_of(message["parts"])


def _fitting(turns: Sequence[Turn], budget: float) -> list[Turn]:
    kept: list[Turn] = []
    for turn in reversed(turns):
        budget -= len(turn.text)
        if budget < 0:
            break
        kept.append(turn)
    kept.reverse()
    while kept and kept[0].role == "assistant":  # a prompt begins with what a person said
        kept.pop(0)
    return kept


def _mark_for_caching(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Mark the newest turn, and the one before that a former prompt ended with."""
    marked = {len(turns) - 1, len(turns) - 3}
    return tuple(
        Turn(role=turn.role, text=turn.text, cache=index in marked)
        for index, turn in enumerate(turns)
    )
