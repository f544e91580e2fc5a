"""Arguments that a server may refuse although an answer can do without them.

Servers that speak a dialect in part, and models of OpenAI that lack an ability, refuse such an
argument by its name. The request is then made again without it, and so are later ones for that
model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

OPTIONAL = ("background", "include", "reasoning.summary", "store", "stream_options")
REASONING = "reasoning_items"  # no argument: the reasoning of earlier answers, in the prompt
MAX_MODELS = 1_000  # beyond, all is forgotten: each model then costs one refusal again
_REFUSING = (400, 422)
_REASONING_CODES = ("invalid_encrypted_content",)


class RefusedArguments:
    """Remembers for each model what its server has refused."""

    def __init__(self) -> None:
        self._by_model: dict[str, frozenset[str]] = {}

    def of(self, model: str) -> frozenset[str]:
        return self._by_model.get(model, frozenset())

    def note(self, model: str, name: str) -> None:
        if len(self._by_model) >= MAX_MODELS:
            self._by_model.clear()
        self._by_model[model] = self.of(model) | {name}


def refused_by(error: Any, sent: Collection[str]) -> str | None:
    """Return the name of the argument that a server refuses; None for any other failure.

    Args:
        error: an ``openai.APIStatusError``.
        sent: the optional arguments of the request.
    """
    if error.status_code not in _REFUSING:
        return None
    body = error.body if isinstance(error.body, dict) else {}
    if body.get("code") in _REASONING_CODES and REASONING in sent:
        return REASONING
    if body.get("param") in sent:
        return str(body["param"])
    said = json.dumps(body)
    return next((name for name in sent if _names(said, name)), None)


def _names(said: str, name: str) -> bool:
    """Whether an error names an argument; a plain word of a sentence is no name."""
    if name == "background":
        return re.search(r"(?i)\bbackground\b", said) is not None
    return re.search(rf"""['"`.]{re.escape(name)}['"`\\]""", said) is not None
