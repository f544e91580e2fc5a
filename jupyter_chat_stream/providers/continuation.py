"""The user's turn that asks a model to continue a reply of which the beginning is already kept."""

from __future__ import annotations

import json

# From Claude 4.6 on, a request may not end with an assistant's turn. So a user's turn asks the
# model to continue its reply. The fake server of the tests knows that turn by its first words.
CONTINUE_MARK = "[The connection broke while you were writing your last reply.]"
CONTINUE_TAIL_CHARS = 80


def continuation(partial: str) -> str:
    tail = json.dumps(partial[-CONTINUE_TAIL_CHARS:], ensure_ascii=False)
    return (
        f"{CONTINUE_MARK} The reader has kept all of it. It ends, as a JSON string, with {tail}. "
        "Go on exactly where it stopped, with the very next character, even in the middle of a "
        "word, a list or a code block. Repeat nothing, do not apologise, do not introduce or "
        "comment the continuation: what you write now is appended to it as it is."
    )
