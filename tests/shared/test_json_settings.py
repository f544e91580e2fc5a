"""A setting that is an object may be written as JSON or as Python on a command line."""

from __future__ import annotations

import pytest
from traitlets.config.loader import KVArgParseConfigLoader

from jupyter_chat_stream.shared.config import ChatStream


@pytest.mark.parametrize("text", ['{"lab": {"background": true}}', "{'lab': {'background': True}}"])
def test_an_object_may_be_json_or_python(text: str) -> None:
    found = KVArgParseConfigLoader(
        [f"--ChatStream.endpoints={text}"], classes=[ChatStream]
    ).load_config()
    assert ChatStream(config=found).endpoints == {"lab": {"background": True}}
