"""A setting that is an object may be written as JSON or as Python on a command line."""

from __future__ import annotations

import pytest
from traitlets.config import Application

from jupyter_chat_stream.shared.config import ChatStream


@pytest.mark.parametrize("text", ['{"lab": {"background": true}}', "{'lab': {'background': True}}"])
def test_an_object_may_be_json_or_python(text: str) -> None:
    app = Application(classes=[ChatStream])
    app.initialize([f"--ChatStream.endpoints={text}"])
    assert ChatStream(parent=app).endpoints == {"lab": {"background": True}}
