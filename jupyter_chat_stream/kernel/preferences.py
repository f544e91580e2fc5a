"""The preferences of a user for all of the user's chats. The server keeps them."""

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
        """Change the named preferences of this user, and return all. They apply to every chat.

        Args:
            changes: ``default_model``; ``system``: the system prompt of threads without their own;
                ``on_crash``: what happens to an answer that a crash has cut: ``"continue"`` from
                its text, ``"restart"`` it, or ``"interrupt"`` it, so that the reader decides. The
                value None means the server's setting.

        Raises:
            InvalidInput: there is no such preference, or its value is invalid.
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
