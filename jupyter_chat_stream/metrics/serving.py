"""Serves metrics over HTTP in a process without a Jupyter server: a worker."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..shared.config import ChatStream
from ..shared.errors import ChatStreamError
from ..shared.logs import Line

if TYPE_CHECKING:
    import threading
    from wsgiref.simple_server import WSGIServer

log = logging.getLogger("jupyter_chat_stream.metrics")


class MetricsUnavailable(ChatStreamError):
    """The metrics cannot be served at the configured address."""

    code = "metrics_unavailable"
    status = 503


class MetricsServer:
    """Serves ``GET /metrics`` at the configured address and port; serves nothing without a port."""

    def __init__(self, config: ChatStream) -> None:
        self._config = config
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int | None:
        """The port of the running server; None without one."""
        return None if self._server is None else self._server.server_port

    def start(self) -> None:
        """Start serving, on a separate thread.

        Raises:
            MetricsUnavailable: the port is taken, or the host does not have the address.
        """
        port, address = self._config.metrics_port, self._config.metrics_address
        if port is None:
            return
        from prometheus_client import start_http_server

        try:
            self._server, self._thread = start_http_server(port, address)
        except OSError as error:
            raise MetricsUnavailable(
                f"Metrics cannot be served at {address}:{port}: {error.strerror}. Set another port "
                "or address with --ChatStream.metrics_port or --ChatStream.metrics_address."
            ) from error
        log.info(Line("metrics.served", address=address, port=self.port))

    def stop(self) -> None:
        """Stop serving and join the thread."""
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.shutdown()
            server.server_close()
            self._thread.join()
