"""What may be wrong in a process's world; done to the test's own process, never in production.

The fork server does it to a child before anything of the chat runs there. Signals of the test say
which one, and when.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

# Signals that neither Python's servers nor Jupyter's give a meaning (SIGUSR1 has one).
PULL, PUSH = signal.SIGVTALRM, signal.SIGPROF
HOUR_NS = 3_600 * 1_000_000_000


def stepping_clock() -> None:
    """Let the wall clock jump: an hour on at ``PULL``, an hour back at ``PUSH``.

    As on a machine whose clock is set: what counts seconds by the monotonic clock sees nothing.
    """
    offset_ns = 0
    time_ns = time.time_ns

    def step(by_ns: int) -> Callable[[int, Any], None]:
        def on_signal(number: int, frame: Any) -> None:
            nonlocal offset_ns
            offset_ns += by_ns

        return on_signal

    time.time_ns = lambda: time_ns() + offset_ns
    time.time = lambda: time.time_ns() / 1_000_000_000
    signal.signal(PULL, step(HOUR_NS))
    signal.signal(PUSH, step(-HOUR_NS))


def freeze_before_commit() -> None:
    """Stop the process between its work and the COMMIT, once after each ``PULL``."""
    from jupyter_chat_stream.store.sql import driver

    driver.commit = _stopping_before(driver.commit)


def freeze_after_begin() -> None:
    """Stop the process once it has the locks, before it looks, once after each ``PULL``."""
    from jupyter_chat_stream.store.sql import driver

    driver.begin_writing = _stopping_after(driver.begin_writing)


def death_around_a_commit() -> None:
    """Kill the process right before or right after one of its first commits of an answer."""
    from jupyter_chat_stream.store.sql import driver

    commit, left, is_before = driver.commit, random.randint(1, 12), random.random() < 0.5

    def deadly(*args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and is_before:
            os.kill(os.getpid(), signal.SIGKILL)
        done = commit(*args, **options)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    driver.commit = deadly


def death_at_a_commit() -> None:
    """After ``PULL``, kill the process right after the commit that the environment names.

    ``JCS_DIE_AT`` is its number, from 1.
    """
    from jupyter_chat_stream.store.sql import driver

    commit, left, is_armed = driver.commit, int(os.environ["JCS_DIE_AT"]), False

    def arm(number: int, frame: Any) -> None:
        nonlocal is_armed
        is_armed = True

    def deadly(*args: Any, **options: Any) -> Any:
        nonlocal left
        done = commit(*args, **options)
        left -= is_armed
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    signal.signal(PULL, arm)
    driver.commit = deadly


def signal_at_an_event() -> None:
    """Kill or stop a kernel, once, the moment it gets a certain event or a later one.

    ``JCS_AT_EVENT`` is the event's seq, ``JCS_SIGNAL`` the signal.
    """
    from jupyter_chat_stream.kernel.follower import Follower

    receive, at, is_armed = Follower.receive, int(os.environ["JCS_AT_EVENT"]), True

    def disturbed(self: Follower, frame: Any) -> Any:
        nonlocal is_armed
        if is_armed and any(event["seq"] >= at for event in frame.get("events", ())):
            is_armed = False
            os.kill(os.getpid(), int(os.environ["JCS_SIGNAL"]))
        return receive(self, frame)

    Follower.receive = disturbed  # type: ignore[method-assign]


def lost_answers_to_commits() -> None:
    """Lose the connection to Postgres right after every fifth COMMIT, before its answer is here."""
    from psycopg import OperationalError

    from jupyter_chat_stream.store.sql import driver

    run, commits = driver.execute, itertools.count(1)

    def losing(conn: Any, sql: str, act: Callable[..., Any], *arguments: Any) -> None:
        run(conn, sql, act, *arguments)
        if sql.endswith("COMMIT") and next(commits) % 5 == 0:
            conn.connection.driver_connection.close()
            lost = OperationalError("server closed the connection unexpectedly")
            raise driver.wrap_error(conn, sql, lost)

    driver.execute = losing


def small_files() -> None:
    """Let no file grow past what the environment says: as a full disk, for whoever may not mount.

    ``JCS_FILE_BYTES`` is the size; ``PULL`` takes the limit away.
    """
    import resource

    most = int(os.environ["JCS_FILE_BYTES"])
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def on_signal(number: int, frame: Any) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond it fails with EFBIG
    signal.signal(PULL, on_signal)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))


class _Trigger:
    """Pulled by a signal; stops the process at the next place that asks, once."""

    def __init__(self) -> None:
        self._is_pulled = False
        signal.signal(PULL, self._pull)

    def _pull(self, number: int, frame: Any) -> None:
        self._is_pulled = True

    def fire(self) -> None:
        if self._is_pulled:
            self._is_pulled = False
            os.kill(os.getpid(), signal.SIGSTOP)


def _stopping_before(act: Callable[..., Any]) -> Callable[..., Any]:
    trigger = _Trigger()

    def acting(*args: Any, **options: Any) -> Any:
        trigger.fire()
        return act(*args, **options)

    return acting


def _stopping_after(act: Callable[..., Any]) -> Callable[..., Any]:
    trigger = _Trigger()

    def acting(*args: Any, **options: Any) -> Any:
        done = act(*args, **options)
        trigger.fire()
        return done

    return acting


PROCESS_FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (
        stepping_clock,
        freeze_before_commit,
        freeze_after_begin,
        death_around_a_commit,
        death_at_a_commit,
        signal_at_an_event,
        lost_answers_to_commits,
        small_files,
    )
}
