"""Threads, preferences, and the status of the server."""

from __future__ import annotations

from collections.abc import Sequence

from .._version import PROTOCOL_VERSION, __version__
from ..runs import parameters
from ..shared.list_records import ListedThread, ProjectList, ThreadList
from ..shared.model_records import ModelList
from ..shared.records import (
    PreferencesChange,
    PreferencesRecord,
    StatusRecord,
    ThreadChange,
    ThreadRecord,
)
from ..store.front import ListFilter
from .base import ServiceBase

WHERE_WORKERS = "the environment or the key file of the workers"


class Threads(ServiceBase):
    """Commands on threads."""

    async def status(self) -> StatusRecord:
        """Return the versions, the database, the engine, the number of runs and a limit."""
        subsystems = self.subsystems
        return {
            "version": __version__,
            "protocol": PROTOCOL_VERSION,
            "database": subsystems.store.describe(),
            "engine": subsystems.engine.name,
            "runs": await subsystems.store.runs.count_by_status(),
            "max_attachment_bytes": self.config.max_attachment_bytes,
        }

    async def models(
        self, owner: str, *, refresh: bool = False, may_set_keys: bool = False
    ) -> ModelList:
        """List the models and endpoints, and the model of a new thread of this owner.

        Args:
            refresh: ask the endpoints again, even if their lists are recent.
            may_set_keys: whether this person may set keys on the page.
        """
        await self.subsystems.registry.refresh(force=refresh)
        preferred_model = (await self.preferences(owner))["default_model"]
        models, endpoints = self.subsystems.registry.listing(may_set_keys=may_set_keys)
        self._follow_keys(models, endpoints)
        if not self.config.run_in_server:  # the workers' keys are not known here
            for model in models:
                model["ready"] = True
            for endpoint in endpoints:
                endpoint["has_key"] = endpoint["needs_key"]
                endpoint["where_key"] = WHERE_WORKERS if endpoint["needs_key"] else None
        default = preferred_model or self._default_model
        return {"models": models, "endpoints": endpoints, "default": default}

    async def preferences(self, owner: str) -> PreferencesRecord:
        return await self.store.threads.preferences(owner)

    async def set_preferences(self, owner: str, changes: PreferencesChange) -> PreferencesRecord:
        model = changes.get("default_model")
        if model is not None:
            self.subsystems.registry.get(model)
        return await self.store.threads.change_preferences(owner, changes)

    async def create_thread(
        self,
        owner: str,
        *,
        name: str | None = None,
        title: str | None = None,
        model: str | None = None,
        system: str | None = None,
        project: str | None = None,
        project_others: Sequence[str] = (),
    ) -> tuple[ThreadRecord, bool]:
        """Find the owner's thread of that name in the project, or create it; True if created.

        Args:
            project_others: other spellings of the project. A thread of that name under one of them
                moves to the project, unless the project has one already.
        """
        if model is not None:
            self.subsystems.registry.get(model)
        else:
            model = (await self.preferences(owner))["default_model"] or self._default_model
        return await self.store.threads.create(
            owner=owner,
            project=project or "",
            project_others=project_others,
            name=name,
            title=title,
            model=model,
            system=system,
        )

    async def list_threads(
        self,
        owner: str,
        *,
        q: str | None = None,
        project: str | None = None,
        archived: bool = False,
        pinned: bool = False,
        limit: int = 50,
        before: str | None = None,
    ) -> ThreadList:
        """List the owner's threads, newest first.

        Args:
            q: only threads with all these words in one message, or in the title and name.
        """
        list_filter = ListFilter(project=project, archived=archived, pinned=pinned, before=before)
        if q is not None and q.strip():
            return await self.store.threads.search(owner, list_filter, q, limit=limit)
        return await self.store.threads.page(owner, list_filter, limit=limit)

    async def projects(self, owner: str, *, archived: bool = False) -> ProjectList:
        """List the projects of the owner's threads, newest first."""
        return {"projects": await self.store.threads.projects(owner, archived=archived)}

    async def mark_read(self, owner: str, thread_id: str, seq: int) -> None:
        """Mark a thread as read up to a seq, for this person; the mark never goes back."""
        await self.store.threads.mark_read(owner, thread_id, seq)

    async def thread(self, owner: str, thread_id: str) -> ThreadRecord:
        return await self.store.threads.read(owner, thread_id)

    async def change_thread(
        self, owner: str, thread_id: str, changes: ThreadChange, *, pinned: bool | None = None
    ) -> ListedThread:
        """Change fields of a thread, and whether the owner has pinned it (None: as before)."""
        model = changes.get("model")
        if model is not None:
            self.subsystems.registry.get(model)
        if changes.get("params"):
            model_id = (
                model or (await self.thread(owner, thread_id))["model"] or self._default_model
            )
            parameters.check(self.subsystems.registry.get(model_id)[1], changes["params"])
        return await self.store.threads.change(owner, thread_id, changes, pinned=pinned)

    async def delete_thread(self, owner: str, thread_id: str) -> None:
        """Cancel the thread's runs and mark it deleted, in one transaction."""
        usage_by_run = await self.subsystems.tokens.of_thread(thread_id)
        for run_id in await self.store.threads.delete(owner, thread_id, usage_by_run):
            await self.subsystems.engine.abort(run_id)

    async def state_text(
        self, owner: str, thread_id: str, *, limit: int | None = None, before: str | None = None
    ) -> str:
        """Read the state of a thread and its cursor, as JSON."""
        return await self.store.threads.state_text(owner, thread_id, limit=limit, before=before)
