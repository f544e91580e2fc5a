"""Secrets in texts: in the forms in which programs write them, in pieces, and cut."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from jupyter_chat_stream.shared.concealing import SecretTexts

MARK = "[hidden]"
PEM = (
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQC7\n-----END KEY-----"
)
SECRETS = {
    "plain": "sk-ant-0123456789abcdef",
    "with a backslash": "pa\\ss-word\\0815",
    "with quotes": 'it\'s-"quoted"-0815',
    "with one kind of quotes": "it's-quoted-0815",
    "not ASCII": "pässwörd-✓-0815",
    "of several lines": PEM,
    "with a tab and a slash": "a/b+c==\t0815&",
}
WAYS: dict[str, Callable[[str], str]] = {
    "itself": str,
    "repr": repr,
    "a part of a repr": lambda secret: repr({"KEY": secret, "it's": 1}),
    "a text with it as a repr": lambda secret: repr(f"it's {secret}"),
    "ascii": ascii,
    "bytes": lambda secret: repr(secret.encode()),
    "JSON": json.dumps,
    "JSON as it is": lambda secret: json.dumps({"a": secret}, ensure_ascii=False),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_found_in_every_form(kind: str, way: str) -> None:
    secret, texts = SECRETS[kind], SecretTexts({SECRETS[kind]: MARK})
    concealed = texts.concealed(f"before {WAYS[way](secret)} after")
    assert MARK in concealed
    assert concealed.startswith("before ")
    assert concealed.endswith(" after")
    assert "0815" not in concealed
    assert "0123456789" not in concealed
    assert "MIIE" not in concealed


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_that_comes_in_two_pieces_is_found_in_every_form(kind: str, way: str) -> None:
    texts = SecretTexts({SECRETS[kind]: MARK})
    whole = f"before {WAYS[way](SECRETS[kind])} after"
    expected = texts.concealed(whole)
    for at in range(len(whole)):
        first = whole[:at]
        held = texts.held_back(first)
        sent = texts.concealed(first[: len(first) - held])
        assert sent + texts.concealed(first[len(first) - held :] + whole[at:]) == expected


@pytest.mark.parametrize(
    "cut", ["", "…", "… (9 characters)", "\n… (more output is left out)", "..."]
)
def test_the_beginning_of_a_secret_at_a_cut_is_replaced(cut: str) -> None:
    texts = SecretTexts({SECRETS["plain"]: MARK})
    for size in range(8, len(SECRETS["plain"])):
        assert texts.concealed(f"a {SECRETS['plain'][:size]}{cut}") == f"a {MARK}{cut}"


@pytest.mark.parametrize(
    "text", ["sk-ant-01 is no key", "sk-ant-…", "nothing", "", "home/ada/keys", "cd /home/ada"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A path is often the value of such a variable, and its beginning is everywhere."""
    secrets = {SECRETS["plain"]: MARK, "/home/ada/keys/one.json": MARK}
    assert SecretTexts(secrets).concealed(text) == text
    assert SecretTexts({}).concealed(text) == text
