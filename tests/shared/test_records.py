"""The records of the wire: Python and TypeScript name the same fields and values."""

from __future__ import annotations

import re
import typing
from functools import cache
from pathlib import Path

import pytest

from jupyter_chat_stream.shared import (
    list_records,
    model_records,
    records,
    tool_records,
    usage,
)

SOURCES = Path(__file__).parents[2] / "labextension" / "src" / "protocol"
PROTOCOL = SOURCES / "records.ts"
VALUES = (SOURCES / "tool-records.ts", SOURCES / "model-records.ts")  # records.ts exports them, too
TWINS = {
    "Failure": records.Failure,
    "Incomplete": records.Incomplete,
    "Thread": records.ThreadRecord,
    "ThreadMatch": list_records.ThreadMatch,
    "ThreadRow": list_records.ListedThread,
    "Project": list_records.ProjectRecord,
    "ThreadTools": tool_records.ThreadTools,
    "ListedTool": tool_records.ListedTool,
    "ToolProblem": tool_records.ToolProblem,
    "StandingConsent": tool_records.ConsentRecord,
    "ToolAllowance": tool_records.ToolAllowance,
    "TextPart": records.TextPart,
    "ToolCallPart": tool_records.ToolCallPart,
    "ToolResultPart": tool_records.ToolResultPart,
    "InputRequestPart": records.InputRequestPart,
    "AttachmentPart": records.AttachmentPart,
    "NotePart": records.NotePart,
    "Attachment": records.AttachmentRecord,
    "Message": records.MessageRecord,
    "Run": records.RunRecord,
    "Parameter": model_records.ParameterRecord,
    "Model": model_records.ModelRecord,
    "Endpoint": model_records.EndpointRecord,
    "Snapshot": records.SnapshotFrame,
    "SavedCopy": records.SavedCopy,
    "Preview": records.PreviewFrame,
    "UsageSum": usage.UsageSum,
    "ContextUse": usage.ContextRecord,
    "ThreadUsage": usage.ThreadUsage,
}
# Fields of the wire that the page does not read; it derives content and incomplete itself.
UNREAD = {
    "Thread": {"owner", "system", "archived", "created_at"},
    "ThreadRow": {"owner", "system"},
    "Message": {"content", "incomplete"},
    "Model": {"name", "max_output_tokens"},
    "Endpoint": {"dialect"},
    "ThreadUsage": {"thread_id", "models"},
}


@cache
def interfaces() -> dict[str, dict[str, tuple[bool, str]]]:
    """The fields of each interface of the wire: whether the field is optional, and its type."""
    whole = "\n".join(file.read_text(encoding="utf-8") for file in (PROTOCOL, *VALUES))
    text = re.sub(r"/\*.*?\*/", "", whole, flags=re.DOTALL)
    found = re.findall(r"export interface (\w+) \{(.*?)\n\}", text, flags=re.DOTALL)
    field = re.compile(r"readonly (\w+)(\??):\s*([^;]+);")
    return {
        name: {key: (bool(optional), type_) for key, optional, type_ in field.findall(body)}
        for name, body in found
    }


@pytest.mark.parametrize("name", TWINS)
def test_python_and_typescript_give_a_record_the_same_fields(name: str) -> None:
    record, fields = TWINS[name], interfaces()[name]
    assert set(record.__annotations__) - UNREAD.get(name, set()) == set(fields)
    optional = {field for field, (is_optional, _) in fields.items() if is_optional}
    # Annotations are texts in that module, so Python itself does not see NotRequired.
    hints = typing.get_type_hints(record, include_extras=True)
    assert optional == {
        field for field, hint in hints.items() if typing.get_origin(hint) is typing.NotRequired
    }


@pytest.mark.parametrize("name", TWINS)
def test_python_and_typescript_agree_which_fields_may_be_null(name: str) -> None:
    hints = typing.get_type_hints(TWINS[name])
    for field, (_, type_) in interfaces()[name].items():
        if type_ == "unknown":
            assert hints[field] is typing.Any or field == "input"
        else:
            may_be_null = type(None) in typing.get_args(hints[field])
            assert may_be_null == ("null" in type_), field


def test_both_name_the_same_statuses_and_reasons() -> None:
    text = PROTOCOL.read_text(encoding="utf-8")
    found = re.search(r"type MessageStatus =([^;]+);", text)
    assert found is not None
    assert set(re.findall(r"'(\w+)'", found[1])) == set(typing.get_args(records.MessageStatus))
    reasons = set(re.findall(r"'(\w+)'", interfaces()["Incomplete"]["reason"][1]))
    assert reasons == set(typing.get_args(records.IncompleteReason))


def test_both_name_the_same_kinds_of_parts() -> None:
    kinds = [
        kind
        for name, fields in interfaces().items()
        if name.endswith("Part")
        for kind in re.findall(r"'(\w+)'", fields["kind"][1])
    ]
    assert sorted(kinds) == sorted(typing.get_args(records.PartKind))


def test_a_change_of_a_thread_names_the_fields_of_a_thread() -> None:
    def fields(record: type) -> dict[str, str]:
        return {name: each.__forward_arg__ for name, each in record.__annotations__.items()}

    assert fields(records.ThreadChange) == fields(records.ThreadRecord)
