"""Writes the server's refusals in the terms of the Python interface.

The server's sentences are for every client of HTTP. The user of a ``Chat`` sees no headers and
fields, but arguments and methods. ``SENTENCES`` has a sentence for each code whose own sentence
would name the wire. A test finds a code that names it all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "compacted": (
        "The single events of thread {thread_id!r} after {after} are kept no more: what they "
        "said is in `chat.messages`."
    ),
    "consent_not_found": (
        "You have no standing consent {consent_id!r}: the page lists yours, with Revoke."
    ),
    "cursor_ahead": (
        "Thread {thread_id!r} ends with event {seq}, before {after}: ask for its events after"
        " an earlier one."
    ),
    "endpoint_not_found": (
        "This server has no endpoint of that name: `chat.models()` lists the models of all."
    ),
    "idempotency_mismatch": (
        "The key {key!r} belongs to another question: choose a new key, or leave it out."
    ),
    "invalid_json": (
        "What was given holds something that cannot be sent: only texts, finite numbers, "
        "True, False, None, and lists and dicts of them can."
    ),
    "message_not_found": (
        "There is no message {message_id!r} in this thread: `chat.messages` has those that are."
    ),
    "method_not_allowed": (
        "The chat's server does not know this request. Install the same version of jupyter-"
        "chat-stream where JupyterLab runs and in this kernel, and restart both."
    ),
    "run_not_ended": (
        "Run {run_id!r} is {run_status}: wait for its end with run.wait(), or stop it with "
        "run.cancel()."
    ),
    "run_not_found": (
        "There is no run {run_id!r} on this server, or it is not yours: `chat.runs` has those"
        " of a chat."
    ),
    "schedule_not_found": (
        "There is no schedule {schedule_id!r} on this server, or it is not yours: "
        "`chat.schedules()` lists those of a chat."
    ),
    "thread_not_found": (
        "There is no thread {thread_id!r} on this server, or it is not yours. Chat('a name') "
        "opens the thread of that name, or makes it."
    ),
    "tool_not_found": (
        "Nobody offers a tool {tool!r} in this chat: register the function with @chat.tool."
    ),
    "tool_output_too_large": (
        "The result of the call is larger than {max_bytes} bytes: return less, such as the first "
        "rows."
    ),
    "too_much_unsent": (
        "Bytes of yours are uploaded that no message holds, and at most {max_bytes} may be. Send "
        "a message with them, or try again in a day, when they are deleted."
    ),
    "unauthenticated": (
        "The chat's server does not know this kernel any more: restart the kernel."
    ),
}

# Arguments whose name in Python differs from the field on the wire.
ARGUMENTS: Mapping[str, str] = {
    "content": "text",
    "parent_id": "parent",
    "thread_id": "thread",
    "Idempotency-Key": "key",
}


def in_python(code: str, message: str, facts: Mapping[str, object]) -> str:
    """Return the sentence of an error for the caller of a method."""
    sentence = SENTENCES.get(code)
    if sentence is not None:
        try:
            return sentence.format_map(facts)
        except (KeyError, IndexError, AttributeError, ValueError):
            return message  # the server named other facts
    field = str(facts.get("field", ""))
    argument = ARGUMENTS.get(field)
    return message if argument is None else message.replace(f"'{field}'", f"'{argument}'")
