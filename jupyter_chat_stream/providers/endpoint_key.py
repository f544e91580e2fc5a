"""The key of an endpoint: from its variable, else from its file.

An endpoint whose settings name neither gets no key, not even that of OpenAI.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..shared.errors import MissingKey
from .endpoints import Endpoint
from .key_files import KeySource, default_key_file


class EndpointKey(KeySource):
    """Finds an endpoint's key, again at each request.

    Args:
        endpoint: names the variable and the file.
        environ: None for the real one.
    """

    def __init__(self, endpoint: Endpoint, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(endpoint.key_env or "", environ)
        self._endpoint = endpoint

    @property
    def path(self) -> Path:
        """The key file: the one that the settings name, else one in Jupyter's data directory."""
        return self._endpoint.key_file or default_key_file(self._endpoint.name)

    def read(self) -> str:
        """Return the key; empty if the endpoint takes none.

        Raises:
            MissingKey: there is no key, or other users can read its file.
            BadKey: the text found cannot be a key.
        """
        return super().read() if self._endpoint.needs_key else ""

    def _missing_key(self) -> MissingKey:
        by_variable = f"set {self.env_key} where JupyterLab is started (or the worker), or "
        return MissingKey(
            f"There is no key for the endpoint {self._endpoint.name!r} where the answer is made: "
            "in the Jupyter server, or in a worker. %env or os.environ in a notebook reaches the "
            f"kernel, not the server: {by_variable if self.env_key else ''}write the key into the "
            f"file {str(self.path)!r} there (mode 0600); it is read without a restart."
        )
