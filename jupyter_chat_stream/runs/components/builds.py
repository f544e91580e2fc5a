"""Builds of components: a run in which a model writes a cell, and each version is tried. Pure.

::

    write a version ─► its test: a tool call ─┬─ works ─► the run ends, its result has the file
         ▲   (a model's stream)   (asks first) │
         └──────── the traceback ◄─────────────┴─ fails; after MAX_TRIES the run ends

A build keeps all its data in its reply: the versions are the inputs of its calls, and the
tracebacks are the results. So after a crash the next attempt continues after the last commit, and
does not write a finished version again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ...providers.base import ToolCallChunk
from ...shared.building import COMPONENT_SYSTEM
from ...shared.endings import content_of
from ...shared.events import Body, NoteAdded, clean_text
from ...shared.records import MessageRecord, Params, Part, Usage
from ...store.front import BUILD, TAKEN_OVER
from ..coalesce import started_event
from ..context import Gathered
from ..last_events import completion
from ..reply_turns import end_of_rounds
from ..tools.build_component import MAX_CODE_CHARS, NAME
from ..toolset import ToolBook

MAX_TRIES = 3
NO_VERSION_WORKS = "No version of the component works: {tries} were tried."
NO_CODE = "The model wrote no code, so there is nothing to try."

_FENCE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[ \t]*(?:python|py|python3)?[ \t]*\n(?P<code>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)


class Version(Protocol):
    """The text that an attempt has written; an ``Appender`` whose stream has ended is one."""

    @property
    def parts(self) -> Sequence[Part]: ...

    @property
    def next_part(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Build:
    """The build of a run."""

    description: str
    name: str
    taken_over: int
    """The number of the reply's parts that come from a run before this one."""

    @classmethod
    def of(cls, params: Params) -> Build | None:
        """Return the build of a run with these params; None if the run makes an answer."""
        request = params.get(BUILD)
        if not isinstance(request, Mapping):
            return None
        return cls(
            description=str(request.get("description", "")),
            name=str(request.get("name", "component")),
            taken_over=int(params.get(TAKEN_OVER, 0)),
        )

    def prompt(self, gathered: Gathered) -> Gathered:
        """Return the data for the next version's prompt: the description, and the earlier tries.

        An incomplete version is begun anew, unless its upstream can be joined.
        """
        reply = gathered.reply
        if gathered.upstream is None:
            reply = reply.copy()
            reply["parts"] = reply["parts"][: end_of_rounds(reply["parts"])]
        return replace(
            gathered,
            reply=reply,
            branch=(_request_of(reply, self.description),),
            systems=(COMPONENT_SYSTEM,),
            provider_data={},
            tools=(),
        )

    def end(self, gathered: Gathered) -> tuple[Body, ...] | None:
        """Return the last events of a build that is finished; None if the build continues."""
        own_parts = self._own_parts(gathered.reply["parts"])
        results = [part for part in own_parts if part["kind"] == "tool_result"]
        if not results:
            return None
        last_result = results[-1]
        if last_result["success"] or "reason" in last_result:
            return _end_events(gathered, gathered.rounds_usage)
        if len(results) < MAX_TRIES:
            return None
        return _end_events(
            gathered, gathered.rounds_usage, NO_VERSION_WORKS.format(tries=len(results))
        )

    def code_in(self, gathered: Gathered, version: Version) -> str:
        """Return the code of an attempt's version; empty if the model wrote no code."""
        parts = gathered.reply["parts"] if gathered.upstream is not None else []
        return code_of(content_of([*parts[end_of_rounds(parts) :], *version.parts]))

    def after_version(
        self, gathered: Gathered, version: Version, book: ToolBook, usage: Usage
    ) -> tuple[Body, ...]:
        """Return the events after a version: its test, or the build's end if there is no code."""
        code = self.code_in(gathered, version)
        if not code:
            return _end_events(gathered, usage, NO_CODE, version.parts)
        parts = self._own_parts(gathered.reply["parts"])
        number = 1 + sum(part["kind"] == "tool_call" and "where" in part for part in parts)
        call = ToolCallChunk(
            tool_call_id=f"{gathered.reply['run_id']}-{number}",
            name=NAME,
            input={"operation": "test", "code": code, "name": self.name},
        )
        facts = book.facts_of(call)
        return (started_event(call, version.next_part, facts),)

    def _own_parts(self, parts: Sequence[Part]) -> Sequence[Part]:
        return parts[self.taken_over :]


def code_of(text: str) -> str:
    """Return the longest code block of an answer; without a block, the answer if it is code."""
    blocks = [match["code"] for match in _FENCE.finditer(text)]
    if blocks:
        code = max(blocks, key=len)
    elif "```" in text or "~~~" in text or not _may_be_code(text):
        return ""
    else:
        code = text
    code = clean_text(code).strip("\n")
    return code if code.strip() and len(code) <= MAX_CODE_CHARS else ""


def _may_be_code(text: str) -> bool:
    try:
        compile(text, "<answer>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return "import" in text


def _end_events(
    gathered: Gathered, usage: Usage | None, note: str = "", new_parts: Sequence[Part] = ()
) -> tuple[Body, ...]:
    notes = (NoteAdded(text=note),) if note else ()
    return (*notes, *completion([*gathered.reply["parts"], *new_parts], usage, "end_turn"))


def _request_of(reply: MessageRecord, description: str) -> MessageRecord:
    """Return the description as a message of a person."""
    text = f"Write the cell for this component:\n\n{description}"
    parts: list[Part] = [{"kind": "text", "text": text}]
    message: MessageRecord = {**reply, "role": "user", "parts": parts, "run_id": None}
    return {**message, "status": "completed", "content": text, "error": None, "incomplete": None}
