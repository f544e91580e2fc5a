"""Whom the server's own tools serve, which folder the tool ``files`` reads, and where that lies.

A model reads with the rights of the server's process. So where an authorizer decides who may read
files, or files lie elsewhere than on a disk, only an administrator can name a folder.
"""

from __future__ import annotations

import os
from typing import cast

from jupyter_server.auth.authorizer import AllowAllAuthorizer
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.filemanager import FileContentsManager

from ..shared.config import LOCAL_OWNER, ChatStream
from ..shared.projects import project_of
from .identity import server_owner

ROOT_OPTION = "chatStreamRoot"  # of a page's configuration


def choose_tool_owners(config: ChatStream, server: ServerApp) -> None:
    """On a hub, let only its person's runs use what belongs to this server, unless it is set."""
    owner = server_owner(server.identity_provider)
    owners = cast("list[str] | None", config.tool_owners)
    if owners is None and owner != LOCAL_OWNER:
        config.tool_owners = [owner]


def choose_files_root(config: ChatStream, server: ServerApp) -> None:
    """Set ``files_root`` to the server's root, if it is not set and may be read by everybody."""
    contents = server.contents_manager
    config.shows_hidden_files = bool(contents.allow_hidden)
    private = (server.keyfile, server.cookie_secret_file, server.config_file)
    config.private_files = [path for path in private if path]
    if config.files_root is not None or not config.run_in_server:
        return
    is_open = type(server.authorizer) is AllowAllAuthorizer
    if is_open and isinstance(contents, FileContentsManager):
        config.files_root = contents.root_dir


def tell_root(server: ServerApp) -> None:
    """Tell pages the server's root, as projects are written; Jupyter's own option shortens it."""
    options = server.web_app.settings.setdefault("page_config_data", {})
    options[ROOT_OPTION] = project_of(os.path.realpath(server.root_dir))
