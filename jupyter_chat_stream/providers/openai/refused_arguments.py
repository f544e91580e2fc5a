"""Arguments that a server may refuse although an answer can do without them.

Servers that speak a dialect in part, and models of OpenAI that lack an ability, refuse such an
argument by its name. The request is then made again without it. If that succeeds, later requests
for that model leave the argument out as well.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from ...shared.json_objects import JsonObject
from ...shared.logs import Line
from ..carried_files import carrying
from .failures import OpenAIRequest
from .sdk import Headers

if TYPE_CHECKING:
    import openai

log = logging.getLogger("jupyter_chat_stream.providers")

Arguments = JsonObject  # the SDK has types for them, but not for names that are looked up

REASONING = "reasoning_items"  # no argument: the reasoning of earlier answers, in the prompt
MAX_MODELS = 1_000  # beyond, all is forgotten: each model then costs one refusal again
_REFUSING = (400, 422)
_REASONING_CODES = ("invalid_encrypted_content",)


class RefusedArguments:
    """Remembers for each model of an endpoint what its server has refused."""

    def __init__(self) -> None:
        self._by_model: dict[str, frozenset[str]] = {}

    def of(self, model: str) -> frozenset[str]:
        return self._by_model.get(model, frozenset())

    async def open_stream(
        self,
        request: OpenAIRequest,
        headers: Headers,
        *,
        create: Any,
        build: Callable[[Collection[str]], Arguments],
        optional_of: Callable[[Arguments], Collection[str]],
    ) -> openai.AsyncStream[Any]:
        """Send a request; send it again without an argument that the server refuses.

        Args:
            create: the SDK's method that sends the request.
            build: makes the arguments of the request, without those of the given names.
            optional_of: returns which of the arguments an answer can do without.
        """
        import openai

        model = request.prompt.model
        without = set(self.of(model))
        while True:
            events: openai.AsyncStream[Any]
            with carrying():
                arguments = build(without)
                try:
                    events = await create(**arguments, stream=True, extra_headers=headers)
                except openai.APIStatusError as error:
                    name = refused_by(error, optional_of(arguments))
                    if name is None:
                        raise
                    without.add(name)
                    continue
            # The reasoning of this prompt was refused, not that of every prompt.
            self._note(request.endpoint.name, model, without - {REASONING})
            return events

    def _note(self, endpoint: str, model: str, without: set[str]) -> None:
        new = without - self.of(model)
        if not new:
            return
        if len(self._by_model) >= MAX_MODELS:
            self._by_model.clear()
        self._by_model[model] = self.of(model) | new
        for name in sorted(new):
            log.warning(Line("argument.left_out", endpoint=endpoint, model=model, argument=name))


def refused_by(error: Any, names: Collection[str]) -> str | None:
    """Return the name of the argument that a server refuses; None for any other failure.

    Args:
        error: an ``openai.APIStatusError``.
        names: the optional arguments of the request.
    """
    if error.status_code not in _REFUSING:
        return None
    body = error.body if isinstance(error.body, dict) else {}
    if body.get("code") in _REASONING_CODES and REASONING in names:
        return REASONING
    place = body.get("param")
    if not isinstance(place, str):
        place = ""
    if place in names:
        return place
    first = re.split(r"[.\[]", place)[0]
    if first in names:  # ``include[0]``
        return first
    # A tool's input may have a field of the same name, but its place begins with ``tools``.
    near = [name for name in names if not first or name.startswith(f"{first}.")]
    text = json.dumps(body)
    return next((name for name in near if _is_named(text, name)), None)


def _is_named(text: str, name: str) -> bool:
    """Whether an error names an argument; a plain word of a sentence is no name."""
    if name == "background" and re.search(r"(?i)\bbackground mode\b", text):
        return True
    return re.search(rf"""['"`.]{re.escape(name)}['"`\\]""", text) is not None
