"""What all runs of a process share."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..providers.registry import Registry
from ..shared.config import ChatStream
from ..store.front import ChatStore
from .spent import TokensHere
from .tools.base import ServerTools


@dataclass(frozen=True, kw_only=True)
class RunServices:
    """The store, models and settings of an execution, shared by all runs of a process."""

    store: ChatStore
    registry: Registry
    config: ChatStream
    tools: ServerTools = field(default_factory=ServerTools)
    tokens: TokensHere = field(default_factory=TokensHere)
