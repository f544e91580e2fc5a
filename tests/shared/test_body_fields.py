"""`event.text` has a type, and it is the one that the body declares."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

from jupyter_chat_stream.shared import events
from jupyter_chat_stream.shared.body_fields import BodyFields


def test_every_field_of_a_body_is_declared_for_the_event_with_its_type() -> None:
    declared = get_type_hints(BodyFields)
    found: dict[str, set[Any]] = {}
    for body in (*events.BODIES.values(), events.Unknown):
        hints = get_type_hints(body)
        for field in fields(body):
            if field.name != "type":
                found.setdefault(field.name, set()).add(hints[field.name])
    assert declared.keys() == found.keys()
    for name, types in found.items():
        assert declared[name] == (types.pop() if len(types) == 1 else Any), name


def test_the_declarations_add_no_field_to_an_event() -> None:
    names = [field.name for field in fields(events.Event)]
    assert names == ["seq", "thread_id", "at", "body", "run_id", "message_id", "attempt"]
