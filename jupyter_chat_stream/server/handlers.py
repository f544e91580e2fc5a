"""The REST addresses of docs/protocol.md. A handler parses, calls the service and responds.

A request that reads takes Jupyter's action ``read``. A change of stored data takes ``write``. A
command that makes a model work, or stops it, takes ``execute``.
"""

from __future__ import annotations

from typing import cast

from ..shared.errors import NotFound, RunNotFound, ScheduleNotFound, ThreadNotFound
from ..shared.events import ENDS
from ..shared.records import PreferencesChange, SentRecord, ThreadChange
from . import queries
from .base import ChatHandler, requires
from .notebooks import notebook_thread

# The size of a page if the request names none.
MESSAGES = 200
RUNS = 200
SCHEDULES = 50


class StatusHandler(ChatHandler):
    @requires("read")
    async def get(self) -> None:
        self.respond(await self.service.status())


class ModelsHandler(ChatHandler):
    @requires("read")
    async def get(self) -> None:
        refresh = queries.flag(self, "refresh")
        may_set_keys = self.service.may_set_keys(self.is_own_user)
        models = await self.service.models(self.owner, refresh=refresh, may_set_keys=may_set_keys)
        self.respond(models)


class KeyHandler(ChatHandler):
    """The key of an endpoint: it can be set and removed, and is never shown."""

    @requires("write")
    async def put(self, endpoint: str) -> None:
        from . import bodies

        key = bodies.key_text(self.body())
        await self.service.set_key(endpoint, key, is_own_user=self.is_own_user)
        self.respond_nothing()

    @requires("write")
    async def delete(self, endpoint: str) -> None:
        self.check_no_body()
        await self.service.remove_key(endpoint, is_own_user=self.is_own_user)
        self.respond_nothing()


class MeHandler(ChatHandler):
    @requires("read")
    async def get(self) -> None:
        self.respond(await self.service.preferences(self.owner))

    @requires("write")
    async def patch(self) -> None:
        from . import bodies

        changes = bodies.parse(bodies.Preferences, self.body()).changes()
        fresh = cast(PreferencesChange, changes)
        self.respond(await self.service.set_preferences(self.owner, fresh))


class ThreadsHandler(ChatHandler):
    @requires("read")
    async def get(self) -> None:
        from ..store.front import MAX_QUERY

        threads = await self.service.list_threads(
            self.owner,
            q=queries.text(self, "q", min_chars=0, max_chars=MAX_QUERY),
            project=queries.text(self, "project", min_chars=0, max_chars=1000),
            archived=queries.flag(self, "archived"),
            pinned=queries.flag(self, "pinned"),
            limit=queries.whole_number(self, "limit", minimum=1, maximum=200) or 50,
            before=queries.text(self, "before"),
        )
        self.respond(threads)

    @requires("write")
    async def post(self) -> None:
        from . import bodies

        fields = bodies.new_thread(self.body()).model_dump()
        notebook = fields.pop("notebook")
        if notebook:
            fields.update(await notebook_thread(self, notebook))
        thread, is_new = await self.service.create_thread(self.owner, **fields)
        self.respond(thread, 201 if is_new else 200)


class ThreadHandler(ChatHandler):
    @requires("read", ThreadNotFound)
    async def get(self, thread_id: str) -> None:
        self.respond(await self.service.thread(self.owner, thread_id))

    @requires("write", ThreadNotFound)
    async def patch(self, thread_id: str) -> None:
        from . import bodies

        body = bodies.parse(bodies.ThreadChanges, self.body())
        changes = body.changes()
        if "tools" in changes:
            changes["tools"] = body.tools.model_dump()
        pinned = changes.pop("pinned", None)
        fresh = cast(ThreadChange, changes)
        self.respond(await self.service.change_thread(self.owner, thread_id, fresh, pinned=pinned))

    @requires("write", ThreadNotFound)
    async def delete(self, thread_id: str) -> None:
        self.check_no_body()
        await self.service.delete_thread(self.owner, thread_id)
        self.respond_nothing()


class ReadHandler(ChatHandler):
    """How far a person has read a thread."""

    @requires("write", ThreadNotFound)
    async def put(self, thread_id: str) -> None:
        from . import bodies

        seq = bodies.parse(bodies.ReadMark, self.body()).seq
        await self.service.mark_read(self.owner, thread_id, seq)
        self.respond_nothing()


class ProjectsHandler(ChatHandler):
    @requires("read")
    async def get(self) -> None:
        archived = queries.flag(self, "archived")
        self.respond(await self.service.projects(self.owner, archived=archived))


class MessagesHandler(ChatHandler):
    @requires("read", ThreadNotFound)
    async def get(self, thread_id: str) -> None:
        state = await self.service.state_text(
            self.owner,
            thread_id,
            limit=queries.whole_number(self, "limit", minimum=1, maximum=1000) or MESSAGES,
            before=queries.text(self, "before", max_chars=128),
        )
        self.respond_text(state)

    @requires("execute", ThreadNotFound)
    async def post(self, thread_id: str) -> None:
        from ..store.front import HEAD, SendRequest
        from . import bodies

        key = queries.idempotency_key(self)
        message = bodies.new_message(self.body())
        request = SendRequest(
            content=message.content,
            model=message.model,
            params=message.params,
            tools=None if message.tools is None else tuple(message.tools),
            context=tuple(item.model_dump(exclude_none=True) for item in message.context or ()),
            attachments=tuple(message.attachments or ()),
            parent_id=message.parent_id if "parent_id" in message.model_fields_set else HEAD,
            deliver_ms=bodies.time_ms("deliver_at", message.deliver_at),
        )
        record = await self.service.send(self.owner, thread_id, request, key=key)
        wait_s = queries.preferred_wait(self)
        if wait_s is not None:
            self.set_header("Preference-Applied", f"wait={wait_s}")
            record = await self.unless_gone(self._when_ended(record, wait_s))
        has_ended = wait_s is not None and record["reply"]["status"] in ENDS
        self.respond(record, 200 if has_ended else 202)

    async def _when_ended(self, record: SentRecord, wait_s: float) -> SentRecord:
        run_id = record["run"]["id"]
        reply = await self.service.wait_ended(self.owner, run_id, wait_s)
        return {**record, "reply": reply, "run": await self.service.run(self.owner, run_id)}


class RunsHandler(ChatHandler):
    @requires("read", ThreadNotFound)
    async def get(self, thread_id: str) -> None:
        runs = await self.service.runs(
            self.owner,
            thread_id,
            limit=queries.whole_number(self, "limit", minimum=1, maximum=1000) or RUNS,
            before=queries.text(self, "before", max_chars=128),
            is_open=queries.flag(self, "open"),
        )
        self.respond(runs)


class RunHandler(ChatHandler):
    @requires("read", RunNotFound)
    async def get(self, run_id: str) -> None:
        self.respond(await self.service.run(self.owner, run_id))


class RunCommandHandler(ChatHandler):
    """``cancel``, ``withdraw`` and ``continue``, chosen by the address."""

    @requires("execute", RunNotFound)
    async def post(self, run_id: str, command: str) -> None:
        self.check_no_body()
        if command == "cancel":
            self.respond(await self.service.cancel(self.owner, run_id))
            return
        if command == "withdraw":
            self.respond(await self.service.withdraw(self.owner, run_id))
            return
        key = queries.idempotency_key(self)
        self.respond(await self.service.continue_run(self.owner, run_id, key=key), 202)


class RetryHandler(ChatHandler):
    @requires("execute", RunNotFound)
    async def post(self, run_id: str) -> None:
        from ..store.front import RetryRequest
        from . import bodies

        key = queries.idempotency_key(self)
        choices = RetryRequest(**bodies.retry_body(self.body()).model_dump())
        self.respond(await self.service.retry(self.owner, run_id, key, choices), 202)


class RewriteHandler(ChatHandler):
    @requires("execute", RunNotFound)
    async def post(self, run_id: str) -> None:
        from . import bodies

        content = bodies.parse(bodies.Rewrite, self.body()).content
        self.respond(await self.service.rewrite(self.owner, run_id, content))


class InputHandler(ChatHandler):
    @requires("execute", RunNotFound)
    async def post(self, run_id: str) -> None:
        from . import bodies

        answer = bodies.input_body(self.body())
        run = await self.service.give_input(
            self.owner, run_id, request_id=answer.request_id, value=answer.value
        )
        self.respond(run)


class SchedulesHandler(ChatHandler):
    @requires("read")
    async def get(self) -> None:
        thread_id = queries.text(self, "thread_id", max_chars=128)
        if thread_id is not None:
            thread_id = queries.an_id(thread_id, ThreadNotFound)
        schedules = await self.service.schedules(
            self.owner,
            thread_id,
            limit=queries.whole_number(self, "limit", minimum=1, maximum=200) or SCHEDULES,
            before=queries.text(self, "before", max_chars=128),
        )
        self.respond(schedules)

    @requires("execute")
    async def post(self) -> None:
        from ..store.front import NewSchedule
        from . import bodies

        body = bodies.new_schedule(self.body())
        fields = body.model_dump(exclude={"thread_id"}, exclude_none=True)
        thread_id = queries.an_id(body.thread_id, ThreadNotFound)
        new_schedule = NewSchedule(**fields)
        schedule, is_new = await self.service.create_schedule(self.owner, thread_id, new_schedule)
        self.respond(schedule, 201 if is_new else 200)


class ScheduleHandler(ChatHandler):
    @requires("read", ScheduleNotFound)
    async def get(self, schedule_id: str) -> None:
        self.respond(await self.service.schedule(self.owner, schedule_id))

    @requires("execute", ScheduleNotFound)
    async def patch(self, schedule_id: str) -> None:
        from . import bodies

        changes = bodies.schedule_changes(self.body())
        self.respond(await self.service.change_schedule(self.owner, schedule_id, changes))

    @requires("execute", ScheduleNotFound)
    async def delete(self, schedule_id: str) -> None:
        self.check_no_body()
        await self.service.delete_schedule(self.owner, schedule_id)
        self.respond_nothing()


class UnknownHandler(ChatHandler):
    """Every other address under the base of the API."""

    @requires("read")
    async def get(self, *_: str) -> None:
        raise NotFound("There is nothing at this address; docs/protocol.md lists them.")

    post = put = patch = delete = get
