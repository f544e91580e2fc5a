"""The request to a model to continue a reply whose beginning is kept already."""

from __future__ import annotations

import json

# From Claude 4.6 on, a request may not end with an assistant's turn. So a user's turn asks the
# model to continue its reply. The fake server of the tests knows that turn by its first words.
CONTINUE_MARK = "[The connection broke while you were writing your last reply.]"
CONTINUE_TAIL_CHARS = 80


def continuation(partial: str) -> str:
    """Return the text of the user's turn that asks for the rest of a reply."""
    tail = json.dumps(partial[-CONTINUE_TAIL_CHARS:], ensure_ascii=False)
    return (
        f"{CONTINUE_MARK} The reader has kept all of it. It ends, as a JSON string, with {tail}. "
        "Go on exactly where it stopped, with the very next character, even in the middle of a "
        "word, a list or a code block. Repeat nothing, do not apologise, do not introduce or "
        "comment the continuation: what you write now is appended to it as it is."
    )


class KnownBlanks:
    """The blanks at the end of the kept beginning, which are dropped when they come again.

    The API gets the beginning without them, so a model that continues exactly writes them.
    """

    def __init__(self, partial: str) -> None:
        beginning = partial.rstrip()
        self.remaining = partial[len(beginning) :] if beginning else ""

    def drop(self, text: str) -> str:
        """Return the next piece of the answer without the blanks that are known."""
        while self.remaining and text:
            if text[0] != self.remaining[0]:
                self.remaining = ""
                break
            text, self.remaining = text[1:], self.remaining[1:]
        return text
