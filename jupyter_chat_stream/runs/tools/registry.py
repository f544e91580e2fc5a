"""Makes the server's tools from the settings."""

from __future__ import annotations

import os

from ...shared.config import ChatStream
from ...shared.errors import DatabaseUnreadable
from ...store.front import parse_url
from ..components.scratch_kernel import KernelLimits, ScratchKernels
from .ask_person import AskPerson
from .base import ServerTool, ServerTools, ToolSource
from .build_component import BuildComponent
from .files.below_root import BelowRoot
from .files.tool import FilesTool
from .mcp.servers import McpServers
from .wait_until import WaitUntil


def make_server_tools(config: ChatStream) -> ServerTools:
    """Make the tools of a process with these settings."""
    tools: list[ServerTool] = [AskPerson(), WaitUntil(), _builder(config)]
    if config.files_root:
        tools.append(FilesTool(_below_root(config.files_root, config)))
    sources: list[ToolSource] = [McpServers(config)]
    return ServerTools(*tools, sources=sources, owners=config.tool_owners)


def _below_root(root: str, config: ChatStream) -> BelowRoot:
    """Return access to the files that models may read, without Jupyter's own files."""
    from jupyter_core.paths import jupyter_config_path, jupyter_data_dir, jupyter_runtime_dir

    names = ("chat-stream", "notebook_secret", "nbsignatures.db")
    data = [os.path.join(jupyter_data_dir(), name) for name in names]
    keys = [
        str(endpoint["key_file"])
        for endpoint in config.endpoints.values()
        if endpoint.get("key_file")
    ]
    private_files = [*keys, *config.private_files, *filter(None, (config.mcp_config,))]
    private_files += _database_files(config)
    return BelowRoot(
        os.path.expanduser(root),
        shows_hidden=config.shows_hidden_files,
        private=(
            *data,
            jupyter_runtime_dir(),
            *jupyter_config_path(),
            *map(os.path.expanduser, private_files),
        ),
    )


def _database_files(config: ChatStream) -> list[str]:
    """Return the files of an SQLite database, and the folder of its process marks."""
    if not config.database_url:
        return []  # the default database is in our data folder, which is private already
    try:
        url = parse_url(config.database_url)
    except DatabaseUnreadable:
        return []  # the database cannot be opened, so there are no chats
    path = url.database if url.get_backend_name() == "sqlite" else None
    if not path:
        return []
    files = [f"{path}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")]
    return [*files, os.path.join(os.path.dirname(path), "owners")]


def _builder(config: ChatStream) -> BuildComponent:
    bounds = KernelLimits(
        kernel_name=config.scratch_kernel,
        timeout_s=config.scratch_timeout_s,
        memory_bytes=config.scratch_memory_mb * 2**20,
    )
    return BuildComponent(ScratchKernels(bounds))
