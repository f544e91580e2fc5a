"""The interface of a provider: it turns a prompt into an async stream of typed chunks.

A provider knows nothing of threads, runs, events and the store. It raises subclasses of
``ProviderError`` only. It never retries: the run does, visibly. It closes its connections when its
iterator is closed. Third parties register a factory without arguments under the entry-point group
``jupyter_chat_stream.providers``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ..shared.json_objects import JsonView
from ..shared.model_records import ParameterKind
from ..shared.records import Params, Role, ToolInput
from .prompt_blocks import Block as Block
from .prompt_blocks import DocumentBlock as DocumentBlock
from .prompt_blocks import ImageBlock as ImageBlock
from .prompt_blocks import ReasoningBlock as ReasoningBlock
from .prompt_blocks import TextBlock as TextBlock
from .prompt_blocks import ToolResultBlock as ToolResultBlock
from .prompt_blocks import ToolUseBlock as ToolUseBlock
from .prompt_tools import Tool as Tool


@dataclass(frozen=True, kw_only=True)
class TextChunk:
    """A piece of the visible answer."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ReasoningChunk:
    """A piece of the model's thinking."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ToolInputChunk:
    """A piece of the JSON text of one tool call's input; the first piece may be empty."""

    tool_call_id: str
    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ToolCallChunk:
    """A tool call with its complete input.

    ``tool_call_id`` is one that no other call of the prompt has (``call_ids``). If the model wrote
    an input that is no JSON object, ``error`` is a sentence for the model, and ``input`` is empty:
    the call then fails with that sentence, and the model can make it again. ``is_hosted`` tells a
    call of a tool that the provider runs itself, whatever its name: nobody here makes it.
    """

    tool_call_id: str
    name: str
    input: ToolInput
    error: str = ""
    is_hosted: bool = False


@dataclass(frozen=True, kw_only=True)
class ToolResultChunk:
    """The result of a tool that the provider ran itself; ``output`` is a JSON value."""

    tool_call_id: str
    name: str
    success: bool
    output: Any


@dataclass(frozen=True, kw_only=True)
class EndChunk:
    """The end of the answer: the last chunk of every complete stream.

    ``usage`` counts tokens: ``input_tokens`` (without those of the cache), ``output_tokens``,
    ``cache_read_tokens``, ``cache_write_tokens``. It may hold the cost in US dollars, ``cost_usd``;
    otherwise ``prices`` looks it up if the provider has an ``api_url``. ``stop_reason`` is one of
    the common words: ``end_turn``, ``max_tokens``, ``stop_sequence``, ``tool_use``, ``pause_turn``,
    ``model_context_window_exceeded``; ``endings`` names those that leave an answer incomplete.
    A refusal has no EndChunk: the provider raises ``Refusal``.
    """

    stop_reason: str
    model: str
    usage: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class UsageChunk:
    """The tokens of this stream so far, for an answer that ends early.

    Each one replaces the one before, and the ``EndChunk`` replaces the last. ``model`` and
    ``usage`` are as there. Yield it as soon as the API has counted tokens, and before an error.
    """

    model: str
    usage: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class AskChunk:
    """A question to a person; the run reads no chunk of this stream after it.

    After the reply the run calls the provider again, with one more item in ``Prompt.answers``.
    ``runs.pauses`` limits the question's size. ``choices`` None allows any value. ``expires_in_s``
    None keeps the question open.
    """

    prompt: str
    choices: tuple[str, ...] | None = None
    expires_in_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class SleepChunk:
    """A pause until a time (ms since 1970); then the run calls the provider again.

    In that call the provider yields the same chunk again, and the run reads on, because the time
    has passed. So compute the time from ``Prompt.begun_at_ms``, not from the moment of the call.
    """

    until_ms: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class UpstreamChunk:
    """The place up to which the upstream's answer has come, for a provider that can join it again.

    It covers every chunk before it. The run commits the two together, so that an attempt after a
    crash gets them in ``Prompt.upstream`` and no chunk comes twice (L15). The first one comes
    before the first text, as soon as the upstream has told its handle. From then on the run writes
    nothing that no ``UpstreamChunk`` covers: one must follow the last text, and come before a
    question or a sleep. Any later one is also a sign of life: while the upstream works in silence,
    yield the newest place again, so that the run waits on.

    ``handle`` is a JSON object of the provider's own form. ``cursor`` never falls.
    """

    handle: JsonView
    cursor: int


@dataclass(frozen=True, kw_only=True)
class ProviderDataChunk:
    """A block that the provider must get back unchanged, such as signed or encrypted reasoning.

    ``data`` is a JSON object of the provider's own form. It belongs to the part before it. It is
    kept in the database, is never on the wire, and comes back in a ReasoningBlock.
    """

    data: JsonView


Chunk = (
    TextChunk
    | ReasoningChunk
    | ToolInputChunk
    | ToolCallChunk
    | ToolResultChunk
    | AskChunk
    | SleepChunk
    | UpstreamChunk
    | ProviderDataChunk
    | UsageChunk
    | EndChunk
)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One whole turn of the conversation, in blocks. Neighbouring turns have different roles.

    A turn with ToolUseBlocks comes before a turn that begins with their ToolResultBlocks.
    """

    role: Role
    blocks: tuple[Block, ...]
    cache: bool = False  # whether the provider should cache the prompt up to here

    @property
    def text(self) -> str:
        """The texts of the turn, joined: all that a model without images and documents reads."""
        return "\n\n".join(block.text for block in self.blocks if isinstance(block, TextBlock))


def text_turn(role: Role, text: str, *, cache: bool = False) -> Turn:
    """Return a turn that holds only a text."""
    return Turn(role=role, blocks=(TextBlock(text=text),), cache=cache)


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """The last committed ``UpstreamChunk`` of an answer: where to join the upstream again."""

    handle: JsonView
    cursor: int


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A question of this answer, and a person's reply to it."""

    prompt: str
    value: Any
    by: str


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The input of a provider for one answer.

    ``model`` is the provider's own name of the model, without the ``provider/``. ``partial`` is the
    text that this answer already has from earlier attempts; the stream begins right after it. If
    this answer has called tools, its rounds so far are the last turns, and ``partial`` is only the
    text after the last result.
    ``answers`` holds the questions of this answer that have a reply, in their order: the provider
    does not ask them again. ``begun_at_ms`` is when work on this answer began; it is the same for
    all attempts. ``upstream`` is set if an earlier attempt got a handle from this provider: the
    stream then begins right after its cursor, or the provider raises ``UpstreamLost``.
    """

    model: str
    turns: tuple[Turn, ...]
    system: str | None = None
    partial: str = ""
    upstream: Upstream | None = None
    answers: tuple[Answered, ...] = ()
    begun_at_ms: int = 0
    tools: tuple[Tool, ...] = ()
    max_tokens: int | None = None
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a message that a model takes, so that a page can draw a field for it.

    The page knows the names ``effort``, ``temperature``, ``max_tokens``, ``top_p`` and ``seed``
    and shows any other name as it is.
    """

    name: str
    kind: ParameterKind
    choices: tuple[str, ...] = ()  # of a ``choice``
    least: float | None = None  # of a ``number`` or ``whole`` number
    most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """The names and abilities of a model. Sizes are in tokens."""

    name: str
    label: str
    context_tokens: int
    max_output_tokens: int
    can: tuple[str, ...] = ()  # of: "reasoning", "tools", "images", "documents"
    canned: bool = False  # whether its answers are prepared texts
    parameters: tuple[Parameter, ...] = ()  # those that a page can set; it may take others


# The sizes of a model that its provider does not list: nearly every model in use has more.
CONSERVATIVE_CONTEXT_TOKENS = 32_000
CONSERVATIVE_OUTPUT_TOKENS = 4_096


class Provider(Protocol):
    """Turns prompts into streams of chunks; a subclass inherits ``model``, ``warm``, ``close``."""

    name: str

    def models(self) -> tuple[Model, ...]:
        """List the models to offer; others can still be used by name."""
        ...

    def model(self, name: str) -> Model:
        """Describe a model by name; one that is not listed gets conservative sizes.

        A provider that knows all its models overrides this method.

        Raises:
            NoSuchModel: the provider has no model of this name.
        """
        for model in self.models():
            if model.name == name:
                return model
        return Model(
            name=name,
            label=name,
            context_tokens=CONSERVATIVE_CONTEXT_TOKENS,
            max_output_tokens=CONSERVATIVE_OUTPUT_TOKENS,
        )

    def is_ready(self) -> bool:
        """Whether a prompt could be sent now, for example because a key is there. No I/O."""
        ...

    async def warm(self) -> None:
        """Do the heavy imports beforehand, without blocking the event loop.

        It may be called more than once.
        """
        return  # a statement: type checkers take an empty method of a protocol for abstract

    def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Answer the prompt, ending with an EndChunk; raises ProviderError.

        The caller closes the generator: at its end, at a question or a sleep, or earlier. Closing
        it ends the request.
        """
        ...

    async def close(self) -> None:
        """End all connections."""
        return


@runtime_checkable
class AsksForModels(Protocol):
    """The methods of a provider whose models a server lists.

    Its ``models`` returns what it learned last, and raises the ProviderError that kept it from
    learning it.
    """

    async def refresh(self, *, force: bool = False) -> None:
        """Ask for the models, unless that was done a moment ago; raises nothing."""
        ...

    async def look_up(self, name: str) -> Model:
        """Describe a model before its first prompt; may ask for its sizes.

        Raises:
            NoSuchModel: the provider has no model of this name.
        """
        ...


@runtime_checkable
class JoinsAgain(Protocol):
    """The method of a provider that yields ``UpstreamChunk``: its upstream runs by itself."""

    async def stop_upstream(self, handle: JsonView) -> None:
        """Stop the upstream's work, because a person stopped the answer; raises ProviderError.

        The upstream may have ended, and it may have been stopped before.
        """
        ...
