"""What an MCP server lists, as definitions of ours; and what its calls return."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.runs.tools.base import NewFile, ToolDone
from jupyter_chat_stream.runs.tools.mcp.listed import MAX_LISTED_TOOLS, tool_name, tools_of
from jupyter_chat_stream.runs.tools.mcp.results import NOTHING, done_of

SCHEMA = {"type": "object"}


def listed(name: str = "read", **fields: Any) -> dict[str, Any]:
    return {"name": name, "description": "Reads.", "inputSchema": SCHEMA, **fields}


def test_a_tool_is_listed_under_its_server_and_asks() -> None:
    """L13: without trust, every call is one that may run anything."""
    hints = {"readOnlyHint": True, "idempotentHint": True}
    found = tools_of("lab", [listed(annotations=hints)], is_trusted=False)
    assert found.definitions == {
        "lab__read": {
            "name": "lab__read",
            "description": "Reads.",
            "input_schema": SCHEMA,
            "where": "server",
            "effect": "run",
            "idempotent": False,
            "source": "mcp:lab",
        }
    }
    assert found.own_names == {"lab__read": "read"}
    assert found.left_out == ""


@pytest.mark.parametrize(
    ("hints", "effect", "idempotent"),
    [
        ({"readOnlyHint": True}, "read", True),
        ({"idempotentHint": True}, "run", True),
        ({"readOnlyHint": "yes", "idempotentHint": 1}, "run", False),
        ({}, "run", False),
        (None, "run", False),
        ("x", "run", False),
    ],
)
def test_the_hints_of_a_trusted_server_count(hints: Any, effect: str, idempotent: bool) -> None:
    """L14"""
    found = tools_of("lab", [listed(annotations=hints)], is_trusted=True)
    tool = found.definitions["lab__read"]
    assert (tool["effect"], tool["idempotent"]) == (effect, idempotent)


def test_names_that_no_api_takes_are_changed_and_stay_apart() -> None:
    names = ["a.b", "a/b", "a_b", "ä", "x" * 100, "x" * 101, "a b"]
    changed = [tool_name("lab", name) for name in names]
    assert len(set(changed)) == len(names)
    assert all(len(name) <= 64 and name.startswith("lab__") for name in changed)
    assert changed[2] == "lab__a_b"


def test_what_is_no_tool_is_left_out_and_told() -> None:
    bad = [
        listed("no_schema", inputSchema=None),
        listed("list", inputSchema={"type": "array"}),
        listed("long", description="x" * 40_000),
        {"name": 5},
    ]
    found = tools_of("lab", [*bad, listed(), listed(description="again")], is_trusted=False)
    assert list(found.definitions) == ["lab__read"]
    assert found.definitions["lab__read"]["description"] == "Reads."
    assert "'lab__no_schema'" in found.left_out
    many = [listed(f"t{n}") for n in range(MAX_LISTED_TOOLS + 1)]
    found = tools_of("lab", many, is_trusted=False)
    assert len(found.definitions) == MAX_LISTED_TOOLS
    assert str(MAX_LISTED_TOOLS) in found.left_out


TEXT = {"type": "text", "text": "one"}
STRUCTURED = {"rows": 3}


@pytest.mark.parametrize(
    ("result", "done"),
    [
        ({"content": [TEXT]}, ToolDone(output="one")),
        ({"content": [TEXT, TEXT]}, ToolDone(output="one\n\none")),
        ({"content": [TEXT], "isError": True}, ToolDone(output="one", success=False)),
        ({"content": [TEXT], "structuredContent": STRUCTURED}, ToolDone(output="one")),
        ({"content": [], "structuredContent": STRUCTURED}, ToolDone(output=STRUCTURED)),
        ({"content": []}, ToolDone(output=NOTHING)),
        ({}, ToolDone(output=NOTHING)),
        (
            {
                "content": [
                    {"type": "resource_link", "name": "log", "uri": "file:///log"},
                    {"type": "resource", "resource": {"uri": "a:b", "text": "inside"}},
                    {"type": "audio"},
                    {"type": "image", "data": "no base 64", "mimeType": "image/png"},
                ]
            },
            ToolDone(
                output="log: file:///log\n\na:b:\ninside\n\n"
                "(audio-1 is left out: it has no bytes that can be read.)\n\n"
                "(image-1 is left out: it has no bytes that can be read.)"
            ),
        ),
        (
            {
                "content": [
                    {"type": "image", "data": "AAEC", "mimeType": "image/png"},
                    {"type": "resource", "resource": {"uri": "a:b/c.bin", "blob": "AAAA"}},
                ]
            },
            ToolDone(
                output="",
                attachments=(
                    NewFile(name="image-1", type="image/png", data=b"\0\1\2"),
                    NewFile(name="c.bin", type="", data=b"\0\0\0"),
                ),
            ),
        ),
    ],
)
def test_a_result_is_its_texts_or_else_its_structure(result: Any, done: ToolDone) -> None:
    assert done_of(result) == done
