"""What a kernel makes belongs to the person whose kernel it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.base.call_context import CallContext

from jupyter_chat_stream.server.host import ServiceHost
from jupyter_chat_stream.server.identity import ConnectionIdentity
from jupyter_chat_stream.server.kernels import KernelOwners
from jupyter_chat_stream.shared.config import CONNECTION_ENV, ChatStream


class Named(IdentityProvider):
    """A provider of one's own, with people's names."""


class Manager:
    """Stands for Jupyter's kernel manager: keeps what kernels were started with."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []

    def start_kernel(self, **options: Any) -> str:
        self.started.append(options)
        return "id"


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    manager = Manager()
    KernelOwners(lambda owner: tmp_path / owner).watch(manager)
    return manager


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    yield
    CallContext.set(CallContext.JUPYTER_HANDLER, None)


def asks(provider: IdentityProvider, name: str) -> None:
    user = User(username=name, name=name)
    handler = SimpleNamespace(_jupyter_current_user=user, identity_provider=provider)
    CallContext.set(CallContext.JUPYTER_HANDLER, handler)


def test_a_kernel_s_environment_names_its_starter_s_file(manager: Manager, tmp_path: Path) -> None:
    for name in ("ann", "ben"):
        asks(Named(), name)
        manager.start_kernel(env={"A": "b"})
    files = [started["env"][CONNECTION_ENV] for started in manager.started]
    assert files == [str(tmp_path / "ann"), str(tmp_path / "ben")]
    assert manager.started[0]["env"]["A"] == "b"


def test_the_single_user_s_kernels_are_started_as_ever(manager: Manager) -> None:
    manager.start_kernel(env={"A": "b"})
    asks(IdentityProvider(), "0" * 32)
    manager.start_kernel(path="x")
    assert manager.started == [{"env": {"A": "b"}}, {"path": "x"}]


def test_a_token_opens_its_own_person_s_threads_only() -> None:
    import logging

    host = ServiceHost(ChatStream(), settings={}, log=logging.getLogger("test"))

    def identity(token: str) -> Any:
        handler: Any = SimpleNamespace(
            request=SimpleNamespace(headers={"Authorization": f"token {token}"})
        )
        return host.kernel_identity(handler, Named())

    def owner(token: str) -> str | None:
        found = identity(token)
        return found.get_user(SimpleNamespace()).username if found else None

    ann, ben = host.token_of("ann"), host.token_of("ben")
    assert len({ann, ben, host.token}) == 3
    assert [owner(token) for token in (ann, ben, host.token, "other")] == [
        "ann",
        "ben",
        "local",
        None,
    ]
    assert host.token_of("ann") == ann
    assert isinstance(identity(ann), ConnectionIdentity)
