"""The tool ``ask_person``: the model asks the person a question, and waits, maybe for days.

The question is the same event as a provider's question, so any tab, kernel or ``curl`` can answer,
and the first answer wins. Asking changes nothing, so the call may be repeated (L14).
"""

from __future__ import annotations

from ...providers.base import AskChunk
from ...shared.json_objects import JsonView
from ...shared.tool_records import ToolInput, ToolRecord
from ..pauses import MAX_CHOICE_CHARS, MAX_CHOICES, MAX_PROMPT_BYTES
from .base import CallContext, ToolDone, ToolOutcome

ASK_PERSON: ToolRecord = {
    "name": "ask_person",
    "description": (
        "Ask the person who reads this chat a question, and wait for the answer, which may take "
        "minutes or days. Use it for a decision or a fact that only the person has. Do not use it "
        "to ask whether another tool may run: the chat asks that itself. The answer comes as "
        '{"answer": …, "by": name}; with choices, it is one of them.'
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "question": {
                "type": "string",
                "minLength": 1,
                "description": f"At most {MAX_PROMPT_BYTES} bytes of plain text.",
            },
            "choices": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": MAX_CHOICE_CHARS},
                "minItems": 1,
                "maxItems": MAX_CHOICES,
                "uniqueItems": True,
                "description": "The answers to choose from. Leave it out for an answer in words.",
            },
        },
        "required": ["question"],
        "additionalProperties": False,
    },
    "where": "server",
    "effect": "read",
    "idempotent": True,
    "source": "builtin",
}


class AskPerson:
    """Asks the question of its input, and returns the person's answer."""

    definition = ASK_PERSON

    async def call(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        """Ask the question, or return the answer if there is one."""
        answer = context.answer
        if answer is not None:
            return ToolDone(output={"answer": answer.value, "by": answer.by})
        problem = _problem_with(input)
        if problem:
            return ToolDone(success=False, output=problem)
        choices = input.get("choices")
        return AskChunk(prompt=input["question"], choices=tuple(choices) if choices else None)


def _problem_with(input: JsonView) -> str:
    """Return why the input is invalid, as a sentence for the model; empty if it is valid."""
    question, choices = input.get("question"), input.get("choices")
    if not isinstance(question, str) or not question.strip():
        return "'question' must be a text that is not blank."
    if len(question.encode("utf-8", "replace")) > MAX_PROMPT_BYTES:
        return f"The question is longer than {MAX_PROMPT_BYTES} bytes. Ask a shorter one."
    if choices is None:
        return ""
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        return "'choices' must be a list of texts."
    if not 0 < len(choices) <= MAX_CHOICES or len(set(choices)) < len(choices):
        return f"'choices' must be 1 to {MAX_CHOICES} different texts."
    if not all(choice.strip() and len(choice) <= MAX_CHOICE_CHARS for choice in choices):
        return f"Each choice must have 1 to {MAX_CHOICE_CHARS} characters."
    return ""
