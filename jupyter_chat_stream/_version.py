"""The versions of the package and of the wire."""

from importlib.metadata import version

# The installed version. Its one source is `labextension/package.json` (see `[tool.hatch.version]`).
__version__ = version("jupyter-chat-stream")

# The wire protocol's version: raised only when an older reader could no longer follow.
PROTOCOL_VERSION = 1
