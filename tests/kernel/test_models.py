"""A notebook lists the models that its server offers, to choose one by its id."""

from __future__ import annotations

import pytest

from jupyter_chat_stream import Chat

pytestmark = pytest.mark.usefixtures("here")


def test_a_listed_model_is_what_a_message_takes(name: str) -> None:
    chat = Chat(name)
    able = [model for model in chat.models() if "images" in model["can"] and model["canned"]]
    assert [model["id"] for model in able] == ["demo/files"]
    assert all(model["ready"] and model["error"] is None for model in able)
    assert chat.ask("Hello", model=able[0]["id"]).model == "demo/files"


async def test_models_are_listed_anew_and_awaitably(name: str) -> None:
    chat = Chat(name)
    listed = {model["id"] for model in await chat.amodels(refresh=True)}
    assert "demo/tour" in listed
    assert listed == {model["id"] for model in chat.models()}
