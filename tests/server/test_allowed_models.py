"""The models that an administrator allows are the only ones, whoever names another."""

from __future__ import annotations

from pathlib import Path

from tests.server.harness import running_server

ALLOWED = ["demo/ec*", "demo/fast"]
DAILY = {"content": "x", "cron": "0 9 * * *", "timezone": "UTC"}


async def test_a_model_that_is_not_allowed_is_refused_wherever_it_is_named(tmp_path: Path) -> None:
    async with running_server(tmp_path, ChatStream_allowed_models=ALLOWED) as server:
        listed = (await server.ask("GET", "models")).json
        assert [model["id"] for model in listed["models"]] == ["demo/fast", "demo/echo"]
        thread = await server.thread()
        run = (await server.answered(thread))["run"]["id"]
        daily = await server.ask("POST", "schedules", {"thread_id": thread, **DAILY})
        tour = {"model": "demo/tour"}
        for method, path, body in (
            ("POST", "threads", tour),
            ("PATCH", f"threads/{thread}", tour),
            ("POST", f"threads/{thread}/messages", {"content": "x", **tour}),
            ("POST", f"runs/{run}/retry", tour),
            ("POST", "schedules", {"thread_id": thread, **DAILY, **tour}),
            ("PATCH", f"schedules/{daily.json['id']}", tour),
            ("PATCH", "me", {"default_model": "demo/tour"}),
        ):
            refused = await server.ask(method, path, body)
            assert (refused.status, refused.error["code"]) == (400, "no_such_model"), path
            assert "demo/ec*, demo/fast" in refused.error["message"]
        done = await server.answered(thread, "Hello")
        assert (done["run"]["status"], done["run"]["model"]) == ("completed", "demo/echo")


async def test_without_a_default_model_a_new_thread_gets_an_allowed_one(tmp_path: Path) -> None:
    async with running_server(
        tmp_path, ChatStream_allowed_models=ALLOWED, ChatStream_default_model=None
    ) as server:
        assert (await server.ask("GET", "models")).json["default"] == "demo/fast"
        done = await server.answered(await server.thread(), "Hello")
        assert done["run"]["status"] == "completed"


async def test_an_older_thread_is_told_that_its_model_is_not_allowed(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        thread = await server.thread(model="demo/fast")
    async with running_server(tmp_path, ChatStream_allowed_models=["demo/echo"]) as server:
        done = await server.answered(thread, "Hello")
        assert done["run"]["status"] == "failed"
        assert "demo/echo" in done["run"]["error"]["message"]


async def test_a_default_model_that_is_not_allowed_is_a_mistake_in_the_settings(
    tmp_path: Path,
) -> None:
    async with running_server(
        tmp_path, ChatStream_allowed_models=["demo/echo"], ChatStream_default_model="demo/tour"
    ) as server:
        refused = await server.ask("GET", "models")
        assert refused.status == 503
        assert "default_model" in refused.error["message"]
