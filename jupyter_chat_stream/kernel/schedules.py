"""Repeating messages: ``chat.schedule(...)`` and the ``Schedule`` that it returns.

A ``Schedule`` holds the server's last response; its properties never use the network. Each change
is one coroutine on the link's loop: ``pause`` waits for it, ``apause`` awaits it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ..shared.errors import InvalidInput, WrongCall
from ..shared.records import Params, ScheduleRecord
from ..shared.spelling import did_you_mean
from .link import current, path_of
from .options import check_kinds, refuse_unknown
from .rest import RequestBody
from .times import from_wire, local_zone

PAGE = 100
OPTIONS = ("cron", "timezone", "model", "params")
CHANGES = ("content", *OPTIONS, "paused")


@contextmanager
def _naming_zones(name: str | None) -> Iterator[None]:
    """Suggest the nearest time zone if the server does not know this one."""
    try:
        yield
    except InvalidInput as error:
        if error.facts.get("field") != "timezone" or name is None:
            raise
        from zoneinfo import available_timezones

        zones = sorted(available_timezones())
        raise InvalidInput(
            f"There is no time zone {name[:64]!r}.{did_you_mean(name, zones)} "
            "It must be an IANA name, such as Europe/Berlin or UTC.",
            field="timezone",
        ) from None


class Schedule:
    """A message that the server sends at the times of a cron expression."""

    def __init__(self, wire: ScheduleRecord) -> None:
        self._wire = wire
        self._is_deleted = False

    @property
    def id(self) -> str:
        return str(self._wire["id"])

    @property
    def content(self) -> str:
        """The text of the message."""
        return str(self._wire["content"])

    @property
    def cron(self) -> str:
        """The cron expression: minute, hour, day of the month, month, day of the week."""
        return str(self._wire["cron"])

    @property
    def timezone(self) -> str:
        """The IANA name of the time zone of ``cron``."""
        return str(self._wire["timezone"])

    @property
    def model(self) -> str | None:
        """The model that answers; None: the thread's model at that time."""
        return self._wire["model"]

    @property
    def params(self) -> Params | None:
        return self._wire["params"]

    @property
    def paused(self) -> bool:
        return bool(self._wire["paused"])

    @property
    def next_at(self) -> datetime | None:
        """The next time, in the schedule's zone; None while it is paused."""
        return self._in_zone(self._wire["next_at"])

    @property
    def last_at(self) -> datetime | None:
        """The last time, as of the server's last response."""
        return self._in_zone(self._wire["last_at"])

    @property
    def last_run_id(self) -> str | None:
        """The id of the run that the last message began; `chat.runs` has the run."""
        return self._wire["last_run_id"]

    def _in_zone(self, at: str | None) -> datetime | None:
        from zoneinfo import ZoneInfo

        local = from_wire(at)
        try:
            return local and local.astimezone(ZoneInfo(self.timezone))
        except (KeyError, OSError, ValueError):
            return local and local.astimezone(UTC)  # this machine does not know the zone

    def _time_text(self, at: datetime) -> str:
        is_its_own = at.tzinfo is not UTC  # else this machine does not know the zone
        return f"{at:%a %Y-%m-%d %H:%M}" if is_its_own else f"{at:%a %Y-%m-%d %H:%M} UTC"

    def __repr__(self) -> str:
        words = " ".join(self.content.split())
        words = words if len(words) <= 40 else words[:39] + "…"
        state = f"next {self._time_text(self.next_at)}" if self.next_at else "not due"
        state = "paused" if self.paused else state
        state = "deleted" if self._is_deleted else state
        return f"Schedule({words!r}, {self.cron!r} {self.timezone}, {state})"

    # ------------------------------------------------------------------ commands

    def pause(self) -> Schedule:
        """Send nothing until ``resume``."""
        return current().command(self._patch({"paused": True}))

    async def apause(self) -> Schedule:
        """Send nothing until ``resume``."""
        return await current().acommand(self._patch({"paused": True}))

    def resume(self) -> Schedule:
        """Send again from the next time on. Messages missed during the pause are not sent."""
        return current().command(self._patch({"paused": False}))

    async def aresume(self) -> Schedule:
        """Send again from the next time on. Messages missed during the pause are not sent."""
        return await current().acommand(self._patch({"paused": False}))

    def change(self, **changes: Any) -> Schedule:
        """Change the named fields: content, cron, timezone, model, params."""
        return current().command(self._patch(changes))

    async def achange(self, **changes: Any) -> Schedule:
        """Change the named fields: content, cron, timezone, model, params."""
        return await current().acommand(self._patch(changes))

    def delete(self) -> None:
        """Delete the schedule; its messages stay."""
        current().command(self._delete())

    async def adelete(self) -> None:
        """Delete the schedule; its messages stay."""
        await current().acommand(self._delete())

    @property
    def _path(self) -> str:
        return f"schedules/{path_of(self.id)}"

    async def _patch(self, changes: RequestBody) -> Schedule:
        refuse_unknown("schedule.change()", changes, CHANGES)
        check_kinds("schedule.change()", changes)
        with _naming_zones(changes.get("timezone")):
            self._wire = await current().request("PATCH", self._path, changes)
        return self

    async def _delete(self) -> None:
        await current().request("DELETE", self._path)
        self._is_deleted = True


def _refuse_attachments(attachments: Sequence[object]) -> None:
    if attachments:
        raise WrongCall(
            "chat.schedule() repeats a text alone: it takes no attachments, which would be those "
            "of today each time. Send them once with chat.send(), and refer to them in the text.",
            option="attachments",
        )


class ScheduleMethods:
    """A chat's methods for schedules."""

    _thread_id: str

    def schedule(
        self,
        content: str,
        *attachments: object,
        cron: str,
        timezone: str | None = None,
        model: str | None = None,
        params: Params | None = None,
        **unknown: Any,
    ) -> Schedule:
        """Repeat a message: the server sends it at each time, with or without this kernel.

        A cell that runs again creates no second schedule: the server finds the equal one.

        Args:
            cron: the cron expression: minute, hour, day of the month, month, day of the week.
            timezone: the IANA name of its time zone; None: this machine's.
            model: the model that answers; None: the thread's model at that time.
            params: parameters of the model.

        Raises:
            WrongCall: there is no such option, or an option has a wrong type.
            InvalidInput: the expression or the zone is invalid; ``facts["field"]`` says which.
        """
        _refuse_attachments(attachments)
        work = self._schedule(content, cron, timezone, model, params, **unknown)
        return current().command(work)

    async def aschedule(self, content: str, *attachments: object, **options: Any) -> Schedule:
        """Repeat a message. See ``schedule``."""
        _refuse_attachments(attachments)
        return await current().acommand(self._schedule(content, **options))

    async def _schedule(
        self,
        content: str,
        cron: str | None = None,
        timezone: str | None = None,
        model: str | None = None,
        params: Params | None = None,
        **unknown: Any,
    ) -> Schedule:
        refuse_unknown("chat.schedule()", unknown, OPTIONS)
        body = {
            "thread_id": self._thread_id,
            "content": content,
            "cron": cron,
            "timezone": timezone or local_zone(),
            "model": model,
            "params": params,
        }
        check_kinds("chat.schedule()", body)
        fields = {field: value for field, value in body.items() if value is not None}
        # A repeated request could create two schedules, so it is repeated only if the first cannot
        # have arrived.
        with _naming_zones(timezone):
            wire = await current().request("POST", "schedules", fields, repeatable=False)
        return Schedule(wire)

    def schedules(self) -> list[Schedule]:
        """Fetch this thread's schedules, oldest first."""
        return current().run(self._schedules())

    async def aschedules(self) -> list[Schedule]:
        """Fetch this thread's schedules, oldest first."""
        return await current().arun(self._schedules())

    async def _schedules(self) -> list[Schedule]:
        path = f"schedules?thread_id={path_of(self._thread_id)}&limit={PAGE}"
        schedules: list[Schedule] = []
        before = ""
        while True:
            page = (await current().request("GET", path + before))["schedules"]
            schedules = [*map(Schedule, page), *schedules]
            if len(page) < PAGE:
                return schedules
            before = f"&before={path_of(page[0]['id'])}"
