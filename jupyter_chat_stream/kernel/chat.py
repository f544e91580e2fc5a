"""The chat of a notebook: ``Chat``, and ``Run`` for each answer.

A ``Chat`` opens a thread by its name. A cell shows it as a MIME bundle, which outlives kernel and
page. Inside ``VBox``, ``Output`` and the like it is an ipywidget, whose ``thread`` trait tells the
page which thread to show. The follower of this process sets the traits, so ``observe``, ``jslink``
and ``interactive_output`` work with no browser open. Traits change in the Python thread that made
the chat (see ``kernel.inbox``). Reading a trait never touches the network.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from ipywidgets import ValueWidget, register
from traitlets import Bool, Bunch, Int, TraitType, Unicode, validate

from ..shared.errors import InvalidInput
from ..shared.events import Event
from . import history, inbox
from .folder import Folder, find_folder
from .follower import wait_briefly
from .link import current, path_of
from .messages import Message, Messages
from .models import ModelMethods
from .observers import ObservableWidget
from .options import check_kinds, refuse_unknown
from .output import MimeBundle, bundle, keep_newest_result
from .preferences import PreferenceMethods
from .requests import open_thread
from .rest import RequestBody
from .run import EventPages, Run, ThreadMember
from .run_order import is_busy, is_for_later, newest
from .schedules import Schedule, ScheduleMethods
from .sending import SendMethods
from .tools.methods import ToolMethods, names_kernel
from .usage import UsageMethods
from .weak_widget import WeakWidget, weakly

__all__ = ["Chat", "Message", "Run", "Schedule"]

VIEW_VERSION = "^0.1.0"  # `WIDGET_VERSION` in labextension/src/page/tokens.ts
LEAST_PAUSE_S = 0.1
PAUSE_CHARS_PER_S = 100_000  # the page gets all of `value`, so a longer text is sent less often


class _FollowedTrait(TraitType):  # type: ignore[type-arg]
    """A trait that the follower sets. Reading it applies the changes that wait first."""

    def get(self, obj: Any, cls: Any = None) -> Any:
        obj._catch_up()
        return super().get(obj, cls)


class _FollowedUnicode(_FollowedTrait, Unicode):  # type: ignore[type-arg]
    pass


class _FollowedBool(_FollowedTrait, Bool):  # type: ignore[type-arg]
    pass


class _FollowedInt(_FollowedTrait, Int):  # type: ignore[type-arg]
    pass


@register
class Chat(
    SendMethods,  # before the widget, whose `send` is another method
    ObservableWidget,
    WeakWidget,
    ValueWidget,
    ThreadMember,
    ScheduleMethods,
    PreferenceMethods,
    ModelMethods,
    UsageMethods,
    ToolMethods,
):
    """A thread, opened by its name: it can be shown, read and sent messages.

    Args:
        name: the thread of this name in ``project`` is opened or created; None creates a new one.
        thread: the id of the thread to open instead.
        model: the thread's model from now on, as ``provider/model``; None leaves it unchanged.
        system: the thread's system prompt from now on; None leaves it unchanged.
        project: the folder that the name belongs to. None: the folder of this notebook, or the
            working directory in which the script began.
        height: of the view in px; 0 is the view's own.
        disabled: whether the view takes no input.
    """

    _model_name = Unicode("ChatModel").tag(sync=True)
    _model_module = Unicode("jupyter-chat-stream").tag(sync=True)
    _model_module_version = Unicode(VIEW_VERSION).tag(sync=True)
    _view_name = Unicode("ChatView").tag(sync=True)
    _view_module = Unicode("jupyter-chat-stream").tag(sync=True)
    _view_module_version = Unicode(VIEW_VERSION).tag(sync=True)

    thread = Unicode(help="The thread's id.", read_only=True).tag(sync=True)
    run_id = _FollowedUnicode(help="The newest run's id.", read_only=True).tag(sync=True)
    value = _FollowedUnicode(help="The newest answer's text.", read_only=True).tag(sync=True)
    status = _FollowedUnicode(help="The newest run's status.", read_only=True).tag(sync=True)
    busy = _FollowedBool(
        help="Whether any run has not ended, but for those of later messages.", read_only=True
    ).tag(sync=True)
    seq = _FollowedInt(help="The last event that has arrived.", read_only=True).tag(sync=True)
    model = _FollowedUnicode(help="The thread's model; setting it changes it.").tag(sync=True)
    disabled = Bool(False, help="Whether the view takes no input.").tag(sync=True)
    height = Int(0, min=0, help="The view's height in px; 0: its own.").tag(sync=True)

    def __init__(
        self,
        name: str | None = None,
        *,
        thread: str | None = None,
        model: str | None = None,
        system: str | None = None,
        project: str | None = None,
        height: int = 0,
        disabled: bool = False,
        **kwargs: Any,
    ) -> None:
        if name is not None and thread is not None:
            raise InvalidInput("Give a thread's name or its id, not both.")
        self._check_call(
            kwargs, name=name, thread=thread, model=model, system=system, project=project
        )
        folder = find_folder() if project is None else Folder(project=project)
        fields = {"name": name, "model": model, "system": system, **folder.fields()}
        link = current()
        record, hold = link.run(open_thread(link, thread, fields))
        self._follow_with(hold)
        self.name: str | None = record["name"]
        self._thread_id = record["id"]
        self._inbox = inbox.here()
        self._sent_runs: dict[str, Run] = {}  # by id: runs without an event so far
        self._is_marked = False
        super().__init__(height=height, disabled=disabled, **kwargs)
        self._take_in({"thread": self._thread_id, "model": record["model"] or ""})
        # A weak reference: an unused chat is collected, and then it follows no longer.
        self._listener = weakly(self._schedule_refresh)
        hold.follower.listen(self._listener)
        self._refresh()
        self._offer_kernel_here(names_kernel(record))

    @classmethod
    def _check_call(cls, traits: Mapping[str, object], **options: object) -> None:
        settable = [name for name, trait in cls.class_traits().items() if not trait.read_only]
        public = [name for name in settable if not name.startswith("_")]
        refuse_unknown("Chat()", traits, sorted({*options, *public}))
        check_kinds("Chat()", options)

    # ------------------------------------------------------------------ traits

    def _schedule_refresh(self, urgent: bool) -> None:
        """Schedule an update of the traits. Called in the link's thread."""
        if urgent:
            self._inbox.put(id(self), weakly(self._refresh))
        elif not self._is_marked:
            self._is_marked = True
            length = len(self._trait_values.get("value", ""))
            pause_s = max(LEAST_PAUSE_S, length / PAUSE_CHARS_PER_S)
            asyncio.get_running_loop().call_later(pause_s, weakly(self._mark))

    def _mark(self) -> None:
        self._is_marked = False
        self._inbox.put(id(self), weakly(self._refresh))

    def _catch_up(self) -> None:
        if self._inbox.is_here():
            self._inbox.look_around()
            self._inbox.drain()

    def _refresh(self) -> None:
        """Set the traits to the follower's state. Called in the thread that made this chat."""
        if self._pid != os.getpid() or self.comm is None:
            return  # a forked child must not write to its parent's page, nor a closed chat to any
        follower = self._follower
        runs = follower.runs()
        last = newest(runs, follower.thread.get("head"))
        for run in self._unseen_runs():
            runs.append(run._state())
            last = last if is_for_later(runs[-1]) else runs[-1]
        answer = follower.message(last["message_id"]) if last else None
        state = {
            "run_id": last["id"] if last else "",
            "status": last["status"] if last else "",
            "value": answer["content"] if answer else "",
            "busy": is_busy(runs),
            "seq": follower.seq,
            "model": follower.thread.get("model") or self._trait_values.get("model", ""),
        }
        self._take_in(state)

    @validate("model")
    def _set_model(self, proposal: Bunch) -> str:
        model = str(proposal["value"])
        if not self._is_setting and model != self._trait_values.get("model"):
            current().command(self._patch({"model": model or None}))
        return model

    async def _patch(self, changes: RequestBody) -> None:
        await current().request("PATCH", f"threads/{path_of(self._thread_id)}", changes)

    # ------------------------------------------------------------------ sending

    def _remember_run(self, run: Run) -> None:
        self._sent_runs[run.id] = run
        self._inbox.put(id(self), weakly(self._refresh))

    def _unseen_runs(self) -> list[Run]:
        """Return the runs that this chat sent and whose events have not arrived yet."""
        for run_id in list(self._sent_runs):
            if self._follower.run(run_id) is not None:
                self._sent_runs.pop(run_id, None)
        return list(self._sent_runs.values())

    def cancel(self) -> None:
        """Stop every open run of this thread. Their texts so far are kept."""
        current().command(self._cancel_all())

    async def acancel(self) -> None:
        """Stop every open run of this thread. Their texts so far are kept."""
        await current().acommand(self._cancel_all())

    async def _cancel_all(self) -> None:
        # The list is the server's, because the events of a new run may not have arrived here yet.
        link = current()
        open_ids = await history.open_runs(self._thread_id)
        # Newest first, because the end of the first run lets the next one begin.
        for run_id in reversed(open_ids):
            await link.request("POST", f"runs/{path_of(run_id)}/cancel", {})
        await wait_briefly(asyncio.gather(*map(self._follower.wait_for_end, open_ids)))

    # ------------------------------------------------------------------ reading

    @property
    def messages(self) -> Messages:
        """All messages as they are now, oldest first. Reading older ones fetches them."""
        return history.messages(self._follower)

    @property
    def runs(self) -> list[Run]:
        """All runs, oldest first, also those that an earlier kernel began."""
        return history.runs(self._follower, self._unseen_runs)

    def events(self, after: int = 0) -> Iterator[Event]:
        """Iterate over the thread's events after a cursor, then over new ones, without end."""
        pages = EventPages(self._follower, after)
        while (events := current().watch(pages.next())) is not None:
            yield from events

    async def aevents(self, after: int = 0) -> AsyncIterator[Event]:
        """Iterate over the thread's events after a cursor, then over new ones, without end."""
        pages = EventPages(self._follower, after)
        while (events := await current().arun(pages.next())) is not None:
            for event in events:
                yield event

    # ------------------------------------------------------------------ showing

    def _repr_mimebundle_(self, **_: Any) -> MimeBundle:
        keep_newest_result(self, lambda result: _is_same(result, self))
        return bundle(self._thread_id, self._follower.messages())

    def __repr__(self) -> str:
        return f"Chat({self.name!r})" if self.name else "Chat()"

    def focus(self) -> None:
        """Put the cursor into the view's text field."""
        self._send_custom({"do": "focus"})

    def blur(self) -> None:
        """Remove the cursor from the view's text field."""
        self._send_custom({"do": "blur"})

    def _send_custom(self, content: Mapping[str, str]) -> None:
        """Send the page a custom message, as `Widget.send` does; `Chat.send` is another method."""
        self._send({"method": "custom", "content": content})

    def close(self) -> None:
        """Stop following and remove the widget. The thread remains, and so do its functions."""
        hold, listener = self.__dict__.get("_hold"), self.__dict__.get("_listener")
        if hold is not None:
            if listener is not None:
                hold.follower.ignore(listener)
            self._sent_runs.clear()
            hold.leave()
        super().close()


def _is_same(result: object, chat: Chat) -> bool:
    return type(result) is Chat and result.thread == chat.thread
