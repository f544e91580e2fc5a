"""The texts of the demo models, and the choice of a text for a prompt.

All functions are pure functions of the prompt. The texts tell a reader what to try while the answer
is streaming.
"""

from __future__ import annotations

import re
from functools import cache

from ..base import Prompt

LABEL = "*demo: canned. No model, no key and no network are behind this answer.*\n\n"

TOUR = (
    LABEL
    + r"""# Hello from inside your notebook

This answer was written beforehand. Everything else is real: the server **committed each word to a
database before it showed the word to you**. So nothing that you have seen can be lost. The answer
takes about twenty-five seconds. Use that time to try to break it.

## Try to break it

1. **Reload this page** now. The server makes the answer, so the answer continues, and the page
   shows all of it.
2. **Restart the kernel.** The kernel does not make the answer either.
3. Do **both**. You need not run a cell again.
4. **Kill the Jupyter server**, and start it again. The answer continues after the last kept word,
   to its end. No word is lost, and no word comes twice.

| what you do | what is lost | what happens next |
|:--|:-:|:--|
| reload the page | nothing | it catches up, then the answer streams on |
| restart the kernel | nothing | the answer streams on |
| close the laptop | nothing | the chat shows the answer when you come back |
| open a second tab | nothing | both tabs show the answer as it streams |
| kill the server | nothing | a new attempt continues after the kept text |
| press **Stop** | only what was still to come | what you have read stays |

## Why this works

A thread is a *log* of events. The first event has the number $1$, the next $2$, and no number is
missing. Each reader (this cell, another tab, a second notebook, a kernel, `curl`) keeps one number:
the cursor $c$, which is the number of the last event that it has seen. It asks for the events after
$c$. Let $s_c$ be what your screen shows. Then, for every $c$,

$$
\operatorname{fold}\bigl(s_c,\; e_{c+1}, \dots, e_n\bigr)
\;=\;
\operatorname{fold}\bigl(\varnothing,\; e_1, \dots, e_n\bigr),
$$

so *it does not matter when you stopped reading, or how often*. A test checks this for every $c$.

## The same from code

The chat you see and the chat in Python are one thread. Put this into a cell:

```python
from jupyter_chat_stream import Chat

chat = Chat("first-chat")            # the thread of that name, here and in any notebook
run = chat.send("Show me a table")   # returns at once
run                                  # the last line of a cell: shows the answer as it streams
```

The next cell waits for the whole answer. With a key, it asks once, however often you run it:

```python
reply = chat.ask("And some maths?", key="maths")
print(reply.content)
```

## Your turn

Write a message below and press Enter. This demo has answers about **code**, **tables**, **maths**,
a **reload**, the **kernel** and **stop**. When the server has a key for a real model, choose that
model below; until then this thread keeps the demo.

> This demo needs no key, and sends nothing to other machines.
"""
)

CODE = (
    LABEL
    + """## A little code

This function lists primes by the sieve of Eratosthenes:

```python
def primes(limit: int) -> list[int]:
    \"\"\"List the primes below a limit.\"\"\"
    is_prime = bytearray([1]) * limit
    is_prime[:2] = b"\\0\\0"
    for n in range(2, int(limit**0.5) + 1):
        if is_prime[n]:
            is_prime[n * n :: n] = bytes(len(range(n * n, limit, n)))
    return [n for n, prime in enumerate(is_prime) if prime]


primes(50)
# [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]
```

The block has a **copy** button. The notebook does not get the keys that you press in this chat:
`dd` does not delete your cell, and Shift+Enter does not run it.
"""
)

TABLE = (
    LABEL
    + """## A table

| planet | day, hours | year, days | moons |
|:--|--:|--:|--:|
| Mercury | 4222.6 | 88.0 | 0 |
| Venus | 2802.0 | 224.7 | 0 |
| Earth | 24.0 | 365.2 | 1 |
| Mars | 24.7 | 687.0 | 2 |

On Mercury a day is longer than **two** years. Ask for *code* or *maths* next.
"""
)

MATHS = (
    LABEL
    + r"""## Some maths

Euler found in 1734 what the inverse squares of all whole numbers add up to:

$$
\sum_{n=1}^{\infty} \frac{1}{n^2} = \frac{\pi^2}{6} \approx 1.644934
$$

The first $N$ terms miss it by about $\frac{1}{N}$, so a million terms give six digits. Inline
maths works too: $e^{i\pi} + 1 = 0$.
"""
)

RELOAD = (
    LABEL
    + """## Reloading

The page keeps one number, the cursor. After a reload it asks the server for the events after the
cursor, and then it follows live. It does the same whether it missed nothing or an hour.

- Nothing comes twice: the page drops an event whose number it has already.
- Nothing is missing: when a number is too high, the page asks for the events in between.

Try it while this list is still being written:

1. reload
2. count the numbers
3. find them all
"""
)

KERNEL = (
    LABEL
    + """## Kernels

The Jupyter **server** makes the answer. A kernel asks for it and reads it, so:

- *restarting* the kernel does not change the answer;
- *interrupting* a cell that waits in `chat.ask(...)` stops the run and keeps its text;
- a *second* kernel, in another notebook, can read the same thread by its name.
"""
)

STOP = (
    LABEL
    + """## Stopping

**Stop** ends the run within a tenth of a second, before the first word too. You can stop it from
any tab, from code with `run.cancel()`, or with `curl`. The text that you have read stays, and the
answer is marked as stopped. Closing a tab or a notebook does not stop it.
"""
)

FOLLOW_UPS = (
    LABEL
    + """That was your message number {number}. The log has it right before this answer. No model
has read it: this demo only has answers that were written beforehand.

Ask about *code*, *tables*, *maths*, *reload*, *kernel* or *stop*.
""",
    LABEL
    + """That was your message number {number}. Try these three things now:

- open this thread a **second time**, in the side panel or in a second notebook: both show each new
  word;
- save the notebook, close it, and open it again: the chat is still there;
- run `jupyter chat-stream status` in a terminal.

Or ask about *code*, *tables*, *maths*, *reload*, *kernel* or *stop*.
""",
    LABEL
    + """This is answer number {number}, and the demo has no other texts for it. A real model
can go on in this thread: set a key in the environment of the server (`ANTHROPIC_API_KEY`), or start
a local model, and choose the model below.
""",
)

# The first entry that fits gives the answer. Each keyword matches all words that begin with it.
KEYWORDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("table",), TABLE),
    (("math", "formula", "equation"), MATHS),
    (("code", "python", "function"), CODE),
    (("reload", "refresh"), RELOAD),
    (("kernel", "restart"), KERNEL),
    (("stop", "cancel"), STOP),
)

THOUGHTS = (
    "This stands for the thinking of a model. Thinking is a part of its own, before the text. "
    "The page folds it away when the text begins, and the log keeps it like all other parts."
)
THOUGHT_ANSWER = (
    LABEL
    + """The model's **thinking** is above. It is a separate part of the message: it streams,
the log keeps it, and you can fold it away.
"""
)
FAIL_ANSWER = (
    LABEL
    + """This answer fails on purpose. The text before the failure stays. The run tells what
happened: it tries again if that can help; otherwise it tells the reason, and you decide.
"""
)


JOINED_ANSWER = (
    LABEL
    + """## An answer that goes on without you

This model's **upstream** began this answer once. It writes at its own pace, whether anybody reads
the text or not. The server committed its *handle* first. It commits each piece of text together
with the *cursor* of the upstream, which is the number of the piece.

Kill the Jupyter server now and start it again. The next attempt does not ask the model a second
time: it joins the same upstream right after the committed cursor. The text that the upstream has
written meanwhile comes at once, and there is no seam in the text.

OpenAI's Responses API works like this (`background`). For a model that cannot be joined again, a
new request continues from the text that was kept.
"""
)


def text(prompt: Prompt, chars: int) -> str:
    """Return the whole answer of a demo model.

    Args:
        chars: the length of the answer of ``demo/long``.
    """
    if prompt.model == "echo":
        return last_user_text(prompt)
    if prompt.model == "long":
        return long_text(chars)
    texts = {
        "joined": JOINED_ANSWER,
        "thinking": THOUGHT_ANSWER,
        "fail": FAIL_ANSWER,
    }
    return texts.get(prompt.model) or _tour(prompt)


def last_user_text(prompt: Prompt) -> str:
    """Return the last text of the user."""
    return next((turn.text for turn in reversed(prompt.turns) if turn.role == "user"), "")


def _tour(prompt: Prompt) -> str:
    number = sum(turn.role == "user" for turn in prompt.turns)
    if number <= 1:
        return TOUR
    words = last_user_text(prompt).lower().split()
    bare_words = [word.strip(".,;:!?\"'()*`") for word in words]
    for beginnings, answer in KEYWORDS:
        if any(word.startswith(beginnings) for word in bare_words):
            return answer
    follow_up = FOLLOW_UPS[min(number - 2, len(FOLLOW_UPS) - 1)]
    return follow_up.replace("{number}", str(number))


# ------------------------------------------------------------------------------- any length

_WORDS = tuple(
    re.findall(
        r"\w+",
        """lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt
        ut labore et dolore magna aliqua enim ad minim veniam quis nostrud exercitation ullamco
        laboris nisi aliquip ex ea commodo consequat""",
    )
)
_PARAGRAPHS = 64


@cache
def _paragraphs() -> tuple[str, ...]:
    state = 1
    paragraphs = []
    for _ in range(_PARAGRAPHS):
        words = []
        for _ in range(60):
            state = (state * 1_103_515_245 + 12_345) % 2**31  # the C standard's example
            words.append(_WORDS[(state >> 16) % len(_WORDS)])
        words[7] = f"**{words[7]}**"
        words[23] = f"`{words[23]}`"
        paragraphs.append(" ".join(words).capitalize() + ".\n\n")
    return tuple(paragraphs)


def long_text(chars: int) -> str:
    """Return a text of exactly this length; a shorter text is the beginning of a longer one."""
    parts: list[str] = []
    length = number = 0
    while length < chars:
        part = f"## Section {number + 1}\n\n" + _paragraphs()[number * 7 % _PARAGRAPHS]
        parts.append(part)
        length += len(part)
        number += 1
    return "".join(parts)[:chars]
