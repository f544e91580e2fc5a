"""Sizes in words: the same cases as on the page (`labextension/tests/composer/files.test.ts`)."""

from __future__ import annotations

import pytest

from jupyter_chat_stream.shared.sizes import size_in_words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_024, "1 kB"),
        (2_250, "2.2 kB"),
        (1_000_000, "977 kB"),
        (1024 * 1023, "1023 kB"),
        (1024 * 1024 - 1, "1 MB"),
        (20 * 1024 * 1024, "20 MB"),
    ],
)
def test_a_size_has_a_unit_and_few_digits(size: int, words: str) -> None:
    assert size_in_words(size) == words
