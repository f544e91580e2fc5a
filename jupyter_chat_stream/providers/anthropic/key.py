"""Where the key for the Claude API is: in ``ANTHROPIC_API_KEY``, else in a key file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...shared.errors import MissingKey
from ..endpoints import CLAUDE, Endpoint
from ..key_files import KeySource, default_key_file

ENV_KEY = "ANTHROPIC_API_KEY"
ENV_KEY_FILE = "JUPYTER_CHAT_STREAM_ANTHROPIC_KEY_FILE"


class ClaudeKey(KeySource):
    """Finds the key for the Claude API anew at each request.

    Args:
        path: the key file, unless ``JUPYTER_CHAT_STREAM_ANTHROPIC_KEY_FILE`` in the environment
            names another one; None for the file in Jupyter's data directory.
        environ: the environment; None for `os.environ`.
        endpoint: its setting may name another variable, and the key file.
    """

    def __init__(
        self,
        path: Path | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        endpoint: Endpoint = CLAUDE,
    ) -> None:
        super().__init__(endpoint.key_env or ENV_KEY, environ)
        self._set_path = endpoint.key_file
        self._path = path

    @property
    def path(self) -> Path:
        if self._set_path is not None:
            return self._set_path
        env_path = self._environ.get(ENV_KEY_FILE)
        if env_path:
            return Path(env_path).expanduser()
        return self._path or default_key_file("anthropic")

    def _missing_key(self) -> MissingKey:
        return MissingKey(
            "The process that makes the answer (the Jupyter server, or a worker) has no key for "
            "the Claude API. %env or os.environ in a notebook sets a variable of the kernel, not "
            f"of the server. Set {self.env_key} where JupyterLab is started (or the worker), or "
            f"write the key into the file {str(self.path)!r} there (mode 0600), which needs no "
            "restart. On a hub, ask its administrator. The models demo/... need no key."
        )
