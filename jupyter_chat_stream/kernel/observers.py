"""Traits that change when events arrive, and observers whose errors cannot stop the chat.

The widget sets all traits first, then tells the page, then calls the observers. The error of an
observer is reported (``kernel.user_errors``); the other observers are still called. When the user's
own code sets a trait, traitlets behaves as usual: an observer's error reaches that code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ipywidgets import Widget
from traitlets import All, Bunch, EventHandler, HasTraits

from ..shared.errors import WrongCall
from ..shared.spelling import did_you_mean
from . import user_errors

Change = Bunch


class _Observer:
    """An observer as the traits keep it: equal to its function, so ``unobserve`` finds it."""

    def __init__(self, handler: Callable[[Any], Any]) -> None:
        self.handler = handler

    def __eq__(self, other: object) -> bool:
        return bool(self.handler == (other.handler if isinstance(other, _Observer) else other))

    def __hash__(self) -> int:
        return hash(self.handler)

    def __call__(self, change: Change) -> None:
        handler, owner = self.handler, change["owner"]
        if isinstance(handler, EventHandler) and handler.name is not None:
            handler = getattr(owner, handler.name)  # an observer that the class declares
        if not owner._is_telling:
            handler(change)
            return
        with user_errors.reporting(f"An observer of {_name(owner)}.{change['name']}"):
            handler(change)


class ObservableWidget(Widget):
    """A widget whose traits change when events arrive."""

    _is_setting = False
    _is_telling = False

    def __init__(self, **kwargs: Any) -> None:
        self._changes: list[Bunch] = []  # of the traits set so far; their observers wait
        super().__init__(**kwargs)

    def observe(
        self, handler: Callable[[Any], Any], names: Any = All, type: Any = "change"
    ) -> None:
        """Call ``handler(change)`` whenever one of these traits changes; see traitlets.

        Raises:
            WrongCall: there is no trait of that name.
        """
        if not isinstance(handler, EventHandler):
            trait_names = [names] if names is All or isinstance(names, str) else list(names)
            for name in trait_names:
                if isinstance(name, str) and not self.has_trait(name):
                    raise WrongCall(
                        f"{_name(self)} has no trait {name!r}."
                        f"{did_you_mean(name, self.trait_names())}",
                        option=name,
                    )
        super().observe(_Observer(handler), names, type)

    def notify_change(self, change: Bunch) -> None:
        """Call the observers of a change. Changes by events wait until all traits are set."""
        if self._is_setting:
            self._changes.append(change)
        else:
            super().notify_change(change)

    def close(self) -> None:
        """Remove the widget. The garbage collector may call this: no observer's error escapes."""
        self._is_telling = True
        try:
            super().close()
        finally:
            self._is_telling = False

    def _take_in(self, values: Mapping[str, object]) -> None:
        self._is_setting = True
        try:
            for trait, value in values.items():
                with user_errors.reporting(f"A validator of {_name(self)}.{trait}"):
                    self.set_trait(trait, value)
        finally:
            self._is_setting = False
        self._is_telling = True
        try:
            self._tell_page({change["name"] for change in self._changes} & set(self.keys))
            while self._changes:
                change = self._changes.pop(0)
                with user_errors.reporting(f"An observer of {_name(self)}.{change['name']}"):
                    HasTraits.notify_change(self, change)
        finally:
            self._is_telling = False

    def _tell_page(self, names: set[str]) -> None:
        if names and self.comm is not None:
            with user_errors.reporting(f"The connection of {_name(self)} to its page"):
                self.send_state(names)


def _name(owner: object) -> str:
    return type(owner).__name__  # `repr` may be the user's own code and raise
