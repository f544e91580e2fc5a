"""The preferences of a user for all their chats. The server keeps them."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from ..shared.records import PreferencesRecord
from .link import current
from .options import refuse_unknown
from .rest import RequestBody

OPTIONS = ("default_model", "system", "on_crash")


class PreferenceValues(TypedDict):
    """The preferences of a user; None stands for the server's setting."""

    default_model: str | None
    system: str | None
    on_crash: Literal["continue", "restart", "interrupt"] | None


class PreferenceMethods:
    """The methods of a chat for its user's preferences."""

    def preferences(self, **changes: Any) -> PreferenceValues:
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

    async def apreferences(self, **changes: Any) -> PreferenceValues:
        """Change the given preferences of this user, and return all; see ``preferences``."""
        return await current().acommand(_preferences(changes))


async def _preferences(changes: RequestBody) -> PreferenceValues:
    refuse_unknown("chat.preferences()", changes, OPTIONS)
    link = current()
    wire: PreferencesRecord = await (
        link.request("PATCH", "me", changes) if changes else link.request("GET", "me")
    )
    return PreferenceValues(
        default_model=wire["default_model"], system=wire["system"], on_crash=wire["on_crash"]
    )
