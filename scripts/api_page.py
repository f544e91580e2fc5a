"""The API reference, from the names that the package exports and the docstrings they have.

Exported names, errors, events and what a provider's author imports are found, not listed: a class
that is added or renamed there is in the reference with the next build.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator
from typing import get_type_hints

import jupyter_chat_stream
from jupyter_chat_stream.shared.errors import ChatStreamError

PACKAGE = jupyter_chat_stream.__name__
# Stands in docs/api.md where the reference goes.
MARK = "<!-- reference -->"
EVENTS = (f"{PACKAGE}.shared.events", f"{PACKAGE}.shared.tool_events")
# Its classes come from the modules below it, too; authors of providers import all of them from it.
PROVIDERS = f"{PACKAGE}.providers.base"
BELOW_PROVIDERS = (f"{PACKAGE}.providers.prompt_blocks", f"{PACKAGE}.providers.prompt_tools")

# What `chat.tools` returns; users do not import it.
RETURNED = (f"{PACKAGE}.kernel.tools.methods.OfferedTools",)


def reference() -> str:
    """Write the reference as Markdown, a section for each kind of name."""
    parts: list[str] = []
    documented = [find(name) for names in sections().values() for name in names]
    for title, names in sections().items():
        parts += [f"## {title}", *(directive(name, documented) for name in names)]
    return "\n\n".join([*parts, "## Errors", "\n".join(error_table(errors()))])


def sections() -> dict[str, list[str]]:
    """Return the dotted names of each section; none is in two of them."""
    exported = [name for name in jupyter_chat_stream.__all__ if not name.startswith("__")]
    values = {name: getattr(jupyter_chat_stream, name) for name in exported}
    own = [name for name, value in values.items() if not is_error(value)]
    events = [name for name in own if values[name].__module__ in EVENTS]
    return {
        "Chats and runs": [
            *(f"{PACKAGE}.{name}" for name in own if name not in events),
            *RETURNED,
        ],
        "Events": [f"{PACKAGE}.{name}" for name in events],
        "For providers": [
            f"{PROVIDERS}.{name}"
            for module in (PROVIDERS, *BELOW_PROVIDERS)
            for name in own_classes(module)
        ],
    }


def own_classes(module_name: str) -> list[str]:
    """List the names of the public classes that a module defines, in the order of its text."""
    module = importlib.import_module(module_name)
    members = inspect.getmembers(module, inspect.isclass)
    own = {name: cls for name, cls in members if cls.__module__ == module_name}
    public = [name for name in own if not name.startswith("_")]
    return sorted(public, key=lambda name: inspect.getsourcelines(own[name])[1])


def directive(name: str, documented: Iterable[object]) -> str:
    """Write Sphinx's directive for a name: a class with its own public members, or a value."""
    value = find(name)
    if not inspect.isclass(value):
        return f"```{{eval-rst}}\n.. autodata:: {name}\n```"
    members = ", ".join(own_members(value))
    options = f"\n   :members: {members}" if members else ""
    hidden = "" if is_made_by_users(value, documented) else "()"
    return f"```{{eval-rst}}\n.. autoclass:: {name}{hidden}{options}\n```"


def own_members(cls: type) -> Iterator[str]:
    """Name the public members that this package defines, those of base classes of ours too."""
    for name in dir(cls):
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        if not name.startswith("_") and owner.__module__.startswith(PACKAGE):
            yield name


def is_made_by_users(cls: type, documented: Iterable[object]) -> bool:
    """Whether all that the constructor takes is documented, so that it can be called."""
    try:
        hints = get_type_hints(cls.__init__)  # type: ignore[misc]
    except NameError:  # a type that is imported for the type checker only
        return False
    taken = [hint for hint in hints.values() if inspect.isclass(hint)]
    ours = [hint for hint in taken if hint.__module__.startswith(PACKAGE)]
    return all(hint in documented for hint in ours)


def find(name: str) -> object:
    """Return what a dotted name means."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def errors() -> Iterator[type[ChatStreamError]]:
    """Walk the tree of errors, the root first."""
    yield ChatStreamError
    pending = list(ChatStreamError.__subclasses__())
    while pending:
        found = pending.pop(0)
        if found.__module__.startswith(PACKAGE):
            yield found
        pending[:0] = found.__subclasses__()


def error_table(classes: Iterable[type[ChatStreamError]]) -> Iterator[str]:
    """Write a row for each class: its base, the code on the wire, the status, what it means."""
    yield "| error | is a | code | HTTP status | meaning |"
    yield "|---|---|---|---|---|"
    for cls in classes:
        meaning = (vars(cls).get("__doc__") or "").strip().partition("\n")[0]
        base = cls.__bases__[0].__name__
        yield f"| `{cls.__name__}` | `{base}` | `{cls.code}` | {cls.status} | {meaning} |"


def is_error(value: object) -> bool:
    """Whether this is a class of error."""
    return inspect.isclass(value) and issubclass(value, ChatStreamError)
