"""The Claude models in the list of models, and the facts that a model's name holds.

Sizes are those of the model overview pages of November 2026. A model that is not listed can be used
as well; it gets conservative sizes.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ...shared.errors import NoSuchModel
from ..base import Model, Parameter
from .params import EFFORTS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
# claude-opus-4-6, claude-haiku-4-5-20251001, claude-3-7-sonnet-20250219
_VERSION = re.compile(r"-(\d{1,2})(?:-(\d{1,2}))?(?=-|@|$)")

CAN = ("reasoning", "tools", "images", "documents")
EFFORT = Parameter(name="effort", kind="choice", choices=EFFORTS)


def is_claude(name: str) -> bool:
    """Whether the name is of a Claude model, also as gateways write it: ``anthropic/claude-…``."""
    return "claude" in name.lower()


def version(name: str) -> tuple[int, int] | None:
    """Read the version from a Claude model's name: (4, 6) for ``claude-opus-4-6``."""
    match = _VERSION.search(name) if is_claude(name) else None
    if match is None:
        return None
    return int(match.group(1)), int(match.group(2) or 0)


def takes_thinking_budget(name: str) -> bool:
    """Whether the model takes a budget of thinking tokens: Claude before 4.6, and all others."""
    claude_version = version(name)
    return not is_claude(name) if claude_version is None else claude_version < (4, 6)


def thinks_unasked(name: str) -> bool:
    """Whether the model thinks without being asked to, as Claude 5 does."""
    claude_version = version(name)
    return claude_version is not None and claude_version >= (5, 0)


def _model(name: str, label: str, context_tokens: int, max_output_tokens: int) -> Model:
    return Model(
        name=name,
        label=label,
        context_tokens=context_tokens,
        max_output_tokens=max_output_tokens,
        can=CAN,
        parameters=_parameters(name, max_output_tokens),
    )


def _parameters(name: str, max_output_tokens: int) -> tuple[Parameter, ...]:
    max_tokens = Parameter(name="max_tokens", kind="whole", least=1, most=max_output_tokens)
    return (max_tokens,) if takes_thinking_budget(name) else (EFFORT, max_tokens)


# The first is the default.
MODELS = (
    _model("claude-sonnet-5-5", "Claude Sonnet 5.5", 1_000_000, 128_000),
    _model("claude-opus-5-5", "Claude Opus 5.5", 1_000_000, 128_000),
    _model("claude-haiku-5-5", "Claude Haiku 5.5", 1_000_000, 128_000),
    _model("claude-fable-5-1", "Claude Fable 5.1", 1_000_000, 128_000),
    _model("claude-haiku-4-5", "Claude Haiku 4.5", 200_000, 64_000),
)
DEFAULT_MODEL = MODELS[0].name


def complete(model: Model, *, is_set: bool) -> Model:
    """Add the known facts of a Claude model to those that its address lists; keep other models.

    Args:
        is_set: whether a setting tells the model's abilities, perhaps that it has none.
    """
    if not is_claude(model.name):
        return model
    can = model.can if is_set or model.can else CAN
    base = model.name.rpartition("/")[2]
    return replace(model, can=can, parameters=_parameters(base, model.max_output_tokens))


def find(name: str) -> Model:
    """Describe a model by name, also one that is not listed.

    Raises:
        NoSuchModel: no model can have that name.
    """
    for model in MODELS:
        if model.name == name:
            return model
    if not _NAME.fullmatch(name):
        raise NoSuchModel(
            f"{name[:128]!r} cannot be the name of a Claude model. Choose another, "
            f"for example 'anthropic/{DEFAULT_MODEL}'.",
            model=f"anthropic/{name[:128]}",
        )
    return _model(name, name, 100_000, 8_192)
