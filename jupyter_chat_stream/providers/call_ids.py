"""The ids of tool calls: unique in a prompt (L12), and in a form that every API takes.

Some servers send a call without an id, and some repeat an id in each answer. An id from one API may
have a form that another API refuses.
"""

from __future__ import annotations

import hashlib
import re

from .base import Prompt, ToolUseBlock

_SAFE_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")  # OpenAI's Chat Completions take 40 characters
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")
MAX_NAME_CHARS = 64
MAX_ID_CHARS = 128  # a longer one is in no address and in no index of a database


class CallIds:
    """The ids that the calls of one answer take, beside those of the rounds before it."""

    def __init__(self, prompt: Prompt) -> None:
        self._used_ids = {
            block.tool_call_id
            for turn in prompt.turns
            for block in turn.blocks
            if isinstance(block, ToolUseBlock)
        }

    def take(self, id_: str) -> str:
        """Return the id of a new call: the API's own, unless it is empty, taken or very long."""
        if len(id_) > MAX_ID_CHARS:
            id_ = api_id(id_)
        number = len(self._used_ids)
        while not id_ or id_ in self._used_ids:
            id_ = f"call_{number}"
            number += 1
        self._used_ids.add(id_)
        return id_


def api_id(id_: str) -> str:
    """Return a call's id as every API takes it; the same id always gives the same text."""
    if _SAFE_ID.fullmatch(id_):
        return id_
    return f"call_{hashlib.sha256(id_.encode('utf-8', 'replace')).hexdigest()[:32]}"


def api_name(name: str) -> str:
    """Return the name of a called tool as every API takes it: a model may have invented it."""
    return _UNSAFE.sub("_", name)[:MAX_NAME_CHARS] or "tool"
