"""What a user wants in all of their chats: asked for and changed on the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .link import current
from .options import refuse_unknown

OPTIONS = ("default_model", "system", "on_crash")


class PreferenceMethods:
    """What a chat can do with its user's preferences; they are the same for every chat."""

    def preferences(self, **changes: Any) -> dict[str, Any]:
        """Give this user's preferences, for all chats, after changing those that are named.

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
        """Give this user's preferences after changing those named; see ``preferences``."""
        return await current().acommand(_preferences(changes))


async def _preferences(changes: Mapping[str, Any]) -> dict[str, Any]:
    refuse_unknown("chat.preferences()", changes, OPTIONS)
    link = current()
    wire = await (link.request("PATCH", "me", changes) if changes else link.request("GET", "me"))
    return {name: value for name, value in wire.items() if name != "owner"}
