"""The facts of a model in the servers' own lists: its context, its longest answer, its abilities.

Each server has its own words for them; this module sends no request. If a server does not tell the
sizes, small ones are assumed on purpose: a local server silently cuts the beginning of a prompt
that is too long, and a hosted one refuses the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..shared.json_objects import JsonView
from . import offered
from .base import CONSERVATIVE_CONTEXT_TOKENS, CONSERVATIVE_OUTPUT_TOKENS, Model
from .endpoints import Endpoint

ModelEntry = JsonView  # a model of a server's list, whose ``id`` is its name
MAX_DEFAULT_OUTPUT_TOKENS = 32_000
# Ollama's and LM Studio's context for a model without a setting of its own.
LOCAL_DEFAULT_CONTEXT_TOKENS = 4_096

# vLLM; OpenRouter and Together; Groq; Mistral; Anthropic.
_CONTEXT = (
    "max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens",
)  # fmt: skip
_OUTPUT = ("max_completion_tokens", "max_output_tokens", "max_tokens")
# OpenAI's list tells no sizes: those of its model pages, by the beginning of the name.
_OPENAI_SIZES = (
    ("gpt-3.5", 16_385, 4_096),
    ("gpt-4-turbo", 128_000, 4_096),
    ("gpt-4o", 128_000, 16_384),
    ("gpt-4.1", 1_000_000, 32_768),
    ("gpt-4", 8_192, 4_096),
    ("gpt-5", 400_000, 128_000),
    ("o1", 200_000, 100_000),
    ("o3", 200_000, 100_000),
    ("o4", 200_000, 100_000),
)
_OPENAI_DEFAULT = (128_000, 16_384)
_OPENAI_CHATS = re.compile(r"(gpt-|o\d|chatgpt-|ft:)")
_OPENAI_GENERAL = re.compile(r"gpt-(\d{1,3})(?:\.(\d{1,3}))?(o?)")  # gpt-4 < gpt-4o < gpt-4.1
_OPENAI_OTHERS = re.compile(r"audio|realtime|transcribe|tts|image|instruct|search|moderation|embed")

# Anthropic's words; all of its models take tools.
_CAPABILITIES = {"image_input": "images", "pdf_input": "documents", "thinking": "reasoning"}
_ABILITIES = {"tools": "tools", "thinking": "reasoning", "vision": "images"}  # Ollama's words
# OpenAI's models that read no images and no documents.
_OPENAI_BLIND = re.compile(r"gpt-3\.5|gpt-4($|-\d|-turbo-preview)|o1-mini|o1-preview|o3-mini")


def whole(value: object) -> int | None:
    """Return a number of tokens; None for any other value."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        return None
    return value


def is_chat_model(endpoint: Endpoint, name: str) -> bool:
    """Return whether a model of the list answers in a chat; OpenAI lists many that do not."""
    if not endpoint.is_openai:
        return "embed" not in name.lower()
    return bool(_OPENAI_CHATS.match(name)) and not _OPENAI_OTHERS.search(name)


def age_order(endpoint: Endpoint, name: str) -> tuple[int, ...]:
    """Return a key by which OpenAI's general models come first, the newest before the older ones.

    All other models get the same key, so that a stable sort keeps the server's order.
    """
    general = _OPENAI_GENERAL.fullmatch(name) if endpoint.is_openai else None
    if general is None:
        return (1,)
    return (0, -int(general[1]), -int(general[2] or 0), -len(general[3]))


def describe(endpoint: Endpoint, name: str, entry: ModelEntry | None = None) -> Model:
    """Describe a model by its entry in the server's list; None: it is not listed."""
    fields = entry or {}
    context, max_output = _first_number(fields, _CONTEXT), _first_number(fields, _OUTPUT)
    if endpoint.is_openai and context is None:
        context, max_output = _openai_sizes(name)
    context = endpoint.context_tokens or context or _default_context(endpoint)
    if max_output is None:
        half = min(context // 2, MAX_DEFAULT_OUTPUT_TOKENS)
        max_output = (
            half if fields or endpoint.context_tokens else min(half, CONSERVATIVE_OUTPUT_TOKENS)
        )
    can, max_output = _abilities(endpoint, name, fields), min(max_output, context // 2)
    return Model(
        name=name,
        label=f"{name} ({endpoint.product or endpoint.name})",
        context_tokens=context,
        max_output_tokens=max_output,
        can=can,
        parameters=offered.parameters(endpoint, name, can, max_output),
    )


def _abilities(endpoint: Endpoint, name: str, entry: ModelEntry) -> tuple[str, ...]:
    """Return what a model can, in our words; nothing if neither setting nor server tells."""
    if endpoint.can is not None:
        return endpoint.can
    if "can" in entry:  # learned from another address of the server
        return tuple(entry["can"])
    if endpoint.is_openai:
        has_vision = not _OPENAI_BLIND.match(name.removeprefix("ft:"))
        does_reason = offered.OPENAI_REASONS.match(name)
        abilities = ["reasoning"] if does_reason else []
        return (*abilities, "tools", "images", "documents") if has_vision else (*abilities, "tools")
    modalities = _mapping(entry.get("architecture")).get("input_modalities")  # OpenRouter
    parameters = entry.get("supported_parameters")
    capabilities = _mapping(entry.get("capabilities"))  # Mistral
    checks = {
        "reasoning": _holds(parameters, "reasoning") or capabilities.get("reasoning") is True,
        "tools": _holds(parameters, "tools") or capabilities.get("function_calling") is True,
        "images": _holds(modalities, "image") or capabilities.get("vision") is True,
        "documents": _holds(modalities, "file"),
    }
    return tuple(ability for ability, is_there in checks.items() if is_there)


def _holds(value: object, word: str) -> bool:
    return isinstance(value, list) and word in value


def _default_context(endpoint: Endpoint) -> int:
    if endpoint.product in ("Ollama", "LM Studio"):
        return LOCAL_DEFAULT_CONTEXT_TOKENS
    return CONSERVATIVE_CONTEXT_TOKENS


def _first_number(entry: ModelEntry, names: Iterable[str]) -> int | None:
    return next((number for name in names if (number := whole(entry.get(name)))), None)


def _openai_sizes(name: str) -> tuple[int, int]:
    base = name.removeprefix("ft:")
    for beginning, context, max_output in _OPENAI_SIZES:
        if base.startswith(beginning):
            return context, max_output
    return _OPENAI_DEFAULT


def from_anthropic(entry: ModelEntry) -> ModelEntry:
    """Add the abilities that a list in Anthropic's form tells; other entries stay as they are."""
    capabilities = _mapping(entry.get("capabilities"))
    can = [
        ours
        for theirs, ours in _CAPABILITIES.items()
        if _mapping(capabilities.get(theirs)).get("supported") is True
    ]
    return {**entry, "can": [*can, "tools"]} if capabilities else entry


def from_llamacpp(entry: ModelEntry, props: object) -> ModelEntry:
    """Add the context with which llama.cpp's server was started, from its ``/props``."""
    settings = _mapping(_mapping(props).get("default_generation_settings"))
    trained_tokens = whole(_mapping(entry.get("meta")).get("n_ctx_train"))
    fallback = min(trained_tokens or CONSERVATIVE_CONTEXT_TOKENS, CONSERVATIVE_CONTEXT_TOKENS)
    modalities = _mapping(_mapping(props).get("modalities"))
    can = ["images"] if modalities.get("vision") is True else []
    return {**entry, "context_length": whole(settings.get("n_ctx")) or fallback, "can": can}


def from_lmstudio(entry: ModelEntry, details: ModelEntry) -> ModelEntry | None:
    """Add the facts of LM Studio's own list; None if the model is not a language model."""
    if details.get("type") == "embeddings":
        return None
    max_context = whole(details.get("max_context_length")) or LOCAL_DEFAULT_CONTEXT_TOKENS
    loaded_context = whole(details.get("loaded_context_length"))
    can = ["images"] if details.get("type") == "vlm" else []
    return {
        **entry,
        "max_context_length": None,
        "context_length": loaded_context or min(max_context, LOCAL_DEFAULT_CONTEXT_TOKENS),
        "can": can,
    }


@dataclass(frozen=True, kw_only=True)
class OllamaFacts:
    """The facts of a model in an answer of Ollama's ``/api/show``, which can be megabytes long."""

    is_chat_model: bool
    context_tokens: int
    """The context with which Ollama would load the model."""
    can: tuple[str, ...]


def read_ollama(answer: object) -> OllamaFacts:
    """Read an answer of Ollama's ``/api/show``.

    The context is the model's ``num_ctx``, else Ollama's default: the context of the model's
    training is only an upper bound.
    """
    answer = _mapping(answer)
    abilities = answer.get("capabilities")
    abilities = abilities if isinstance(abilities, list) else []
    info = _mapping(answer.get("model_info"))
    trained_tokens = next(
        (whole(v) for k, v in info.items() if str(k).endswith(".context_length")), None
    )
    match = re.search(r"^num_ctx\s+(\d{1,9})", str(answer.get("parameters", "")), re.MULTILINE)
    num_ctx = int(match[1]) if match else LOCAL_DEFAULT_CONTEXT_TOKENS
    return OllamaFacts(
        is_chat_model=not abilities or "completion" in abilities,
        context_tokens=min(num_ctx or LOCAL_DEFAULT_CONTEXT_TOKENS, trained_tokens or num_ctx),
        can=tuple(ours for theirs, ours in _ABILITIES.items() if theirs in abilities),
    )


def from_ollama(entry: ModelEntry, facts: OllamaFacts, loaded_context: object) -> ModelEntry | None:
    """Add a model's facts; None if the model only embeds.

    Args:
        loaded_context: the context of the loaded model by ``/api/ps``, which comes first.
    """
    if not facts.is_chat_model:
        return None
    context = whole(loaded_context) or facts.context_tokens
    return {**entry, "context_length": context, "can": facts.can}


def _mapping(value: object) -> ModelEntry:
    return value if isinstance(value, Mapping) else {}
