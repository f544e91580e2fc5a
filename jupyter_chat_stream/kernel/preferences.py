"""The preferences of a user for all their chats. The server keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .link import current
from .options import refuse_unknown

OPTIONS = ("default_model", "system", "on_crash")


class PreferenceMethods:
    """The methods of a chat for its user's preferences."""

    def preferences(self, **changes: Any) -> dict[str, Any]:
        """Change the given preferences of this user, and return all of them. Every chat has them.

        Args:
            changes: ``default_model``; ``system``: the system prompt of threads without their own;
                ``on_crash``: what becomes of an answer that was cut in the middle: ``"continue"``
                from the text that is kept, ``"restart"`` it, or ``"interrupt"`` and leave it to
                the reader. None is what the server has set for everybody.

        Raises:
            InvalidInput: there is no such preference, or not of that value.
        """
        return current().command(_preferences(changes))

    async def apreferences(self, **changes: Any) -> dict[str, Any]:
        """Change the given preferences of this user, and return all; see ``preferences``."""
        return await current().acommand(_preferences(changes))


async def _preferences(changes: Mapping[str, Any]) -> dict[str, Any]:
    refuse_unknown("chat.preferences()", changes, OPTIONS)
    link = current()
    wire = await (link.request("PATCH", "me", changes) if changes else link.request("GET", "me"))
    return {name: value for name, value in wire.items() if name != "owner"}
