"""The parts of replies with rounds of tool calls, as the fold makes them of a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_chat_stream.providers.base import Block, ToolResultBlock, ToolUseBlock

Parts = list[dict[str, Any]]


def say(text: str) -> dict[str, Any]:
    return {"kind": "text", "text": text}


def think(text: str) -> dict[str, Any]:
    return {"kind": "reasoning", "text": text}


def call(id_: str, name: str = "sql", where: str | None = "kernel", **given: Any) -> dict[str, Any]:
    part = {"kind": "tool_call", "tool_call_id": id_, "name": name, "input": given}
    return part if where is None else {**part, "where": where, "effect": "read"}


def result(
    id_: str, output: Any = "ok", *, success: bool = True, files: Sequence[str] = ()
) -> dict[str, Any]:
    part = {"kind": "tool_result", "tool_call_id": id_, "name": "sql"}
    kinds = {"png": "image/png", "pdf": "application/pdf", "csv": "text/csv"}
    records = [
        {"id": name, "name": name, "type": kinds[name[-3:]], "size": 2048, "sha256": "0" * 64}
        for name in files
    ]
    made = {**part, "success": success, "output": output}
    return {**made, "attachments": records} if records else made


def consent(id_: str, value: Any = "once") -> dict[str, Any]:
    asked = {"request_id": f"r-{id_}", "prompt": "May it?", "choices": ["once", "no"]}
    part = {"kind": "input_request", "request_kind": "consent", "tool_call_id": id_, **asked}
    return {**part, "expires_at": None, "value": value, "by": "local"}


def used(id_: str, name: str = "sql", **given: Any) -> ToolUseBlock:
    return ToolUseBlock(tool_call_id=id_, name=name, input=given)


def returned(id_: str, output: Any = "ok", *, success: bool = True) -> ToolResultBlock:
    return ToolResultBlock(tool_call_id=id_, name="sql", success=success, output=output)


def ids_of(blocks: tuple[Block, ...], kind: type[Any]) -> list[str]:
    return [block.tool_call_id for block in blocks if isinstance(block, kind)]
