"""The texts of the demo models, and the choice of a text for a prompt.

Everything here is a pure function of the prompt. The texts tell a reader what to try while the
answer still streams.
"""

from __future__ import annotations

import re
from functools import cache

from ..base import Prompt

LABEL = "*demo: canned. No model, no key and no network are behind this answer.*\n\n"

TOUR = (
    LABEL
    + r"""# Hello from inside your notebook

This answer was written down beforehand, but everything *around* it is the real thing: each word
you see was **committed to a database on your Jupyter server before it was shown to you**. So you
can do rude things to it. It takes about twenty-five seconds; that is time enough to try one.

## Go on, break it

1. **Reload this page** now, in the middle of the sentence. The answer goes on where it is by
   then, because it is made in the server and not in this page.
2. **Restart the kernel.** A chat in a cell output does not live in the kernel either.
3. Do **both**, without running a single cell again.
4. If you feel brave: **kill the Jupyter server** and start it again. The answer goes on from the
   last word that was kept, to its end, and nothing is said twice.

| what you do | what is lost | what happens next |
|:--|:-:|:--|
| reload the page | nothing | it catches up, then streams on |
| restart the kernel | nothing | it does not even notice |
| close the laptop | nothing | it is here when you come back |
| open a second tab | nothing | both tabs move together |
| kill the server | nothing | a new attempt goes on with the kept text |
| press **Stop** | only what was still to come | what you have read stays |

## Why that works

A thread is a *log*: every little thing that happens in it is an event with a number, the first is
$1$, the next is $2$, and there is never a gap. Whoever looks (this cell, another tab, a second
notebook, a kernel, `curl`) remembers one number only, the cursor $c$ of the last event it has
seen, and asks for what came after. Let $s_c$ be what you have on the screen. Then, for every $c$,

$$
\operatorname{fold}\bigl(s_c,\; e_{c+1}, \dots, e_n\bigr)
\;=\;
\operatorname{fold}\bigl(\varnothing,\; e_1, \dots, e_n\bigr),
$$

which is a mathematician's way of saying that *it does not matter when you looked away*. A test
checks it for every $c$.

## The same from code

The chat you see and the chat in Python are one thread. Put this into a cell:

```python
from jupyter_chat_stream import Chat

chat = Chat("first-chat")            # the thread of that name, here and in any notebook
run = chat.send("Show me a table")   # comes back at once, with an id
run                                  # as the last expression: shows the answer as it streams
```

And this one waits for the whole answer, and asks only once however often you run the cell:

```python
reply = chat.ask("And some maths?", key="maths")
print(reply.content)
```

## Your turn

Write something below and press Enter. I am a simple soul: I know a little about **code**,
**tables**, **maths**, and what happens on a **reload**, to the **kernel**, or when you press
**stop**. As soon as the server has a key for a real model, choose that one instead; this thread
keeps the model it has until you do.

> Nothing you type here leaves your machine.
"""
)

CODE = (
    LABEL
    + """## A little code

The sieve of Eratosthenes, for the pleasure of it:

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

The block has a **copy** button. Keys you press in this chat stay in this chat: `dd` does not
delete your cell, and Shift+Enter does not run it.
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

Euler found in 1734 that the squares of all whole numbers add up to something with a circle in it:

$$
\sum_{n=1}^{\infty} \frac{1}{n^2} = \frac{\pi^2}{6} \approx 1.644934
$$

The first $N$ terms miss it by about $\frac{1}{N}$, so a million terms give six digits. His
identity $e^{i\pi} + 1 = 0$ is prettier still, and needs no terms at all.
"""
)

RELOAD = (
    LABEL
    + """## Reloading

The page keeps one number, the cursor. After a reload it shows what is kept up to there, asks for
what came after, and goes on live: the same path every time, whether it missed nothing or an hour.

- Nothing comes twice, because an event with a number it has already is dropped.
- Nothing is missing, because a number that is too high makes it ask for those in between.

Try it while this list is still being written:

1. reload
2. count the numbers
3. find them all
"""
)

KERNEL = (
    LABEL
    + """## Kernels

The answer is made in the Jupyter **server**. A kernel only asks for it and reads along, so:

- *restarting* the kernel does nothing to the answer,
- *interrupting* a cell that waits in `chat.ask(...)` stops the run and keeps its text,
- a *second* kernel, in another notebook, can read the same thread by its name.
"""
)

STOP = (
    LABEL
    + """## Stopping

**Stop** ends the run within a tenth of a second, from any tab, from code with `run.cancel()`, or
with `curl`; even before the first word. What you have read stays, and is marked as stopped.
*Leaving* is another thing: closing a tab or a notebook stops nothing.
"""
)

FOLLOW_UPS = (
    LABEL
    + """Thank you, that was message number {number} from you, and it is in the log, right before
this answer. I can only say what I was written to say, so here is a riddle instead:

> I am dense but not stupid, I start at one, I never repeat myself, and if you lose me you can
> count on getting me back. What am I?

(The **seq** of an event.) Ask me about *code*, *tables*, *maths*, *reload*, *kernel* or *stop*.
""",
    LABEL
    + """Number {number} already! Three things worth trying now:

- open this thread a **second time**, in a second notebook or tab, and watch both move together;
- edit the notebook, save it, close it, and open it again: the chat is still here;
- run `jupyter chat-stream status` in a terminal.

Or ask me about *code*, *tables*, *maths*, *reload*, *kernel* or *stop*.
""",
    LABEL
    + """This is answer number {number}, and I am beginning to run out of things that were written
down. With a key in the server's environment (`ANTHROPIC_API_KEY`, set where JupyterLab is
started) a real model could take over from here: choose one for this thread.
""",
)

# The first that fits answers; each stands for all words that begin with it.
KEYWORDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("table",), TABLE),
    (("math", "formula", "equation"), MATHS),
    (("code", "python", "function"), CODE),
    (("reload", "refresh"), RELOAD),
    (("kernel", "restart"), KERNEL),
    (("stop", "cancel"), STOP),
)

THOUGHTS = (
    "The reader wants to see me think. I have nothing to think with, so I remember: "
    "thinking comes as a part of its own, before the text, and is folded away when the text "
    "begins. It is kept like everything else. That should do."
)
THOUGHT_ANSWER = (
    LABEL
    + """I have **thought** about it (see above), and the answer is still written down. Thinking is
a part of its own in the message: it streams, it is kept, and it can be folded away.
"""
)
TOOL_ANSWER = LABEL + "I will look that up with a tool.\n"
FAIL_ANSWER = (
    LABEL
    + """This answer is going to fail, because it was asked to. What came before the failure stays,
and the run says what happened: it tries again where that can help, and otherwise it tells the
reason and lets you decide.
"""
)


JOINED_ANSWER = (
    LABEL
    + """## An answer that goes on without you

This model's **upstream** has begun this answer once, and writes it at its own pace, whether
anybody reads it or not. The first thing that was committed is its *handle*; each piece of text is
committed together with the *cursor* of the upstream, the number of the piece.

Kill the Jupyter server now and start it again. The next attempt does not ask the model a second
time: it joins the same upstream right after the committed cursor. What the upstream has written
meanwhile comes at once, and there is no seam in the text.

OpenAI's Responses API works like this (`background`). For a model that cannot be joined again, a
new request continues from the text that was kept.
"""
)


def text(prompt: Prompt, chars: int) -> str:
    """Return the whole answer of a demo model.

    Args:
        chars: the length of what ``demo/long`` says.
    """
    if prompt.model == "echo":
        return last_user_text(prompt)
    if prompt.model == "long":
        return long_text(chars)
    fixed = {
        "joined": JOINED_ANSWER,
        "thinking": THOUGHT_ANSWER,
        "tools": TOOL_ANSWER,
        "fail": FAIL_ANSWER,
    }
    return fixed.get(prompt.model) or _tour(prompt)


def last_user_text(prompt: Prompt) -> str:
    """Return the last text of the user."""
    return next((turn.text for turn in reversed(prompt.turns) if turn.role == "user"), "")


def _tour(prompt: Prompt) -> str:
    number = sum(turn.role == "user" for turn in prompt.turns)
    if number <= 1:
        return TOUR
    words = last_user_text(prompt).lower().split()
    bare = [word.strip(".,;:!?\"'()*`") for word in words]
    for beginnings, answer in KEYWORDS:
        if any(word.startswith(beginnings) for word in bare):
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
