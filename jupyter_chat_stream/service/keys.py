"""The keys of endpoints, as a person sets them on the page.

A key goes into the key file that its provider reads, and nowhere else: no event, log line or answer
holds one.
"""

from __future__ import annotations

import logging

from ..providers.key_files import KeySource
from ..providers.slow_work import in_own_thread
from ..shared.errors import Forbidden, KeyElsewhere, KeyPageOff
from ..shared.logs import Line
from .base import ServiceBase

log = logging.getLogger("jupyter_chat_stream.service")


class Keys(ServiceBase):
    """Commands on the keys of endpoints."""

    async def set_key(self, endpoint: str, key: str, *, is_own_user: bool) -> None:
        """Keep a key for an endpoint; its provider uses it from the next request on.

        Args:
            is_own_user: whether the person who asks is the user whose server this is.

        Raises:
            KeyPageOff, Forbidden, EndpointNotFound, KeyElsewhere, KeyNotKept, InvalidInput
        """
        keys = self._keys_of(endpoint, is_own_user)
        await in_own_thread(lambda: keys.write(key))
        log.info(Line("key.set", endpoint=endpoint))

    async def remove_key(self, endpoint: str, *, is_own_user: bool) -> None:
        """Remove the key of an endpoint; no key is no error.

        Raises:
            KeyPageOff, Forbidden, EndpointNotFound, KeyElsewhere, KeyNotKept
        """
        keys = self._keys_of(endpoint, is_own_user)
        await in_own_thread(keys.remove)
        log.info(Line("key.removed", endpoint=endpoint))

    def may_set_keys(self, is_own_user: bool) -> bool:
        """Whether a key that this person sets on the page would be used."""
        return is_own_user and self.config.keys_from_page and self.config.run_in_server

    def _keys_of(self, endpoint: str, is_own_user: bool) -> KeySource:
        if not self.config.keys_from_page:
            raise KeyPageOff
        if not is_own_user:
            raise Forbidden(
                "Only the user whose server this is may set its keys, and only on the page. Ask "
                "whoever runs the server to write the key into its environment or key file."
            )
        keys = self.subsystems.registry.keys(endpoint)
        if keys is None:
            raise KeyElsewhere(
                f"The endpoint {endpoint!r} takes no key: its settings name neither 'key_env' nor "
                "'key_file'. If it needs one, add one of them to --ChatStream.endpoints."
            )
        if not self.config.run_in_server:
            raise KeyElsewhere(
                "The answers of this server are made by workers, which have their own keys. Set "
                f"{keys.env_key or 'the key'} in the environment of the workers, or write the key "
                "file there."
            )
        return keys
