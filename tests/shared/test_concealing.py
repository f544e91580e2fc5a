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
# As in the files of a cloud's service account.
ACCOUNT = json.dumps(
    {"type": "service_account", "private_key": PEM, "auth_uri": "https://accounts.example/o/auth"},
    indent=1,
)
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
    ("cut", "least"),
    [
        ("…", 8),
        ("… (9 characters)", 8),
        ("\n… (more output is left out)", 8),
        ("", 16),
        ("...", 16),
    ],
)
def test_the_beginning_of_a_secret_at_a_cut_is_replaced(cut: str, least: int) -> None:
    texts = SecretTexts({SECRETS["plain"]: MARK})
    for size in range(least, len(SECRETS["plain"])):
        assert texts.concealed(f"a {SECRETS['plain'][:size]}{cut}") == f"a {MARK}{cut}"


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-01 is no key",
        "sk-ant-…",
        'openai.api_key = "sk-proj-..."',
        "Wrong password",
        "Enter your password...",
        '"type": "service_account",',
        '"auth_uri": "https://accounts.example/o/auth",',
        "nothing",
        "",
        "home/ada/keys",
        "cd /home/ada",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Paths, usual beginnings of keys and words that a password begins with are everywhere."""
    others = ("/home/ada/keys/one.json", "sk-proj-0123456789abcdef", "password123", ACCOUNT)
    secrets = {SECRETS["plain"]: MARK, **dict.fromkeys(others, MARK)}
    assert SecretTexts(secrets).concealed(text) == text
    assert SecretTexts({}).concealed(text) == text


def test_a_key_inside_a_variable_of_json_is_found_by_itself() -> None:
    texts = SecretTexts({ACCOUNT: MARK})
    key = json.loads(ACCOUNT)["private_key"]
    assert texts.concealed(f"a {key} b") == f"a {MARK} b"
    assert texts.concealed(repr(key)) == f"'{MARK}'"
    assert "MIIE" not in texts.concealed(key.replace("\n", " / "))


def test_of_two_keys_that_overlap_each_place_is_replaced_once() -> None:
    texts = SecretTexts({"abcdefghijklmnopqrstuvwx": MARK, "mnopqrstuvwxabcdefghijkl": MARK})
    assert texts.concealed("abcdefghijklmnopqrstuvw…") == f"{MARK}…"
