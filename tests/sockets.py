"""No test leaves a socket open.

The collector would close it later, with a warning that fails the test that runs then.
"""

from __future__ import annotations

import socket
import weakref
from collections.abc import Generator
from typing import Any

import pytest

_open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
_lasting: weakref.WeakSet[socket.socket] = weakref.WeakSet()
_make = socket.socket.__init__


def watch_sockets() -> None:
    """Remember every socket that this process makes from now on."""

    def make(self: socket.socket, *args: Any, **kwargs: Any) -> None:
        _make(self, *args, **kwargs)
        _open.add(self)

    socket.socket.__init__ = make  # type: ignore[method-assign]


def keep(it: socket.socket) -> None:
    """Allow a connection to outlive the test: it ends with its server."""
    _lasting.add(it)


def open_sockets() -> set[int]:
    """Return the ids of the network's sockets that are open; a loop's own pair is none."""
    inet = (socket.AF_INET, socket.AF_INET6)
    return {id(it) for it in list(_open) if it.fileno() != -1 and it.family in inet}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test whose sockets are open when its fixtures have ended."""
    result = yield
    left = open_sockets() - item.stash.get(_before, set()) - {id(it) for it in list(_lasting)}
    if left:
        found = [repr(it) for it in list(_open) if id(it) in left]
        pytest.fail(f"The test left sockets open: {', '.join(found)}", pytrace=False)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    before = open_sockets()
    result = yield
    item.stash[_before] = before
    return result


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Allow the sockets of a fixture that outlives the test, such as a module's server."""
    before = open_sockets()
    result = yield
    if fixturedef.scope != "function":
        _lasting.update(it for it in list(_open) if id(it) not in before)
    return result


_before = pytest.StashKey[set[int]]()
