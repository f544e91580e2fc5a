"""A widget that ends when no code holds it, although ipywidgets keeps widgets for good.

ipywidgets keeps every widget in a registry of its own, and the kernel keeps every comm with a
method of its widget. Here both references are weak until ``model_id`` is read: another widget (a
``VBox``, a ``jslink``) names this one to the page by it, and the page may then ask for this one.
``close`` ends the widget in either case.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ipywidgets import DOMWidget, Widget
from ipywidgets.widgets.widget import _instances as registry
from traitlets import observe


class WeakWidget(DOMWidget):
    """A DOM widget whose registry entry and comm do not keep it alive."""

    def __init__(self, **kwargs: Any) -> None:
        has_own_layout = "layout" not in kwargs
        super().__init__(**kwargs)
        self._own_layout: Widget | None = self.layout if has_own_layout else None
        if self._own_layout is not None and self._own_layout.comm is not None:
            self._own_layout.comm.on_msg(weakly(self._own_layout._handle_msg))
            registry.pop(self._own_layout.comm.comm_id, None)

    @observe("comm")
    def _comm_changed(self, change: Any) -> None:
        comm = change["new"]
        if comm is not None:
            self._model_id = comm.comm_id
            comm.on_msg(weakly(self._handle_msg))

    @property
    def model_id(self) -> str:
        """The id by which the page knows this widget; asking for it keeps the widget alive."""
        for widget in (self, self.__dict__.get("_own_layout")):
            if widget is not None and widget.comm is not None:
                registry[widget.comm.comm_id] = widget
        return str(self.comm.comm_id)

    def close(self) -> None:
        """Take the widget away from the page."""
        comm, layout = self.comm, self.__dict__.get("_own_layout")
        super().close()
        if comm is not None:
            registry.pop(comm.comm_id, None)
        if layout is not None and layout.comm is not None:
            registry.pop(layout.comm.comm_id, None)


def weakly(method: Callable[..., Any]) -> Callable[..., None]:
    """Wrap an object's method so that it is called only while the object exists."""
    reference = weakref.WeakMethod(method)

    def call(*args: Any) -> None:
        target = reference()
        if target is not None:
            target(*args)

    return call
