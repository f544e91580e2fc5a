"""Interrupts a call, when the person sends SIGINT or the chat stops the answer.

During a call, this module handles SIGINT. ``stop`` sends the signal only during the call, and
``leave`` waits until a sent signal has arrived, so the person's next cell never gets it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

ARRIVES_WITHIN_S = 2.0


class InterruptGuard:
    """Lets interrupts reach one call and no other code.

    Args:
        interrupt: called at an interrupt. None: raise ``KeyboardInterrupt`` in the main thread.
    """

    def __init__(self, interrupt: Callable[[], object] | None = None) -> None:
        self.is_stopped = False  # by the chat
        self.is_interrupted = False  # by the person
        self._interrupt = interrupt
        self._lock = threading.Lock()
        self._is_running = False
        self._signals_on_the_way = 0
        self._previous_handler: Any = None
        self._is_main = False

    def enter(self) -> None:
        """Begin to handle interrupts. Must be called in the thread of the call."""
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:
            self._previous_handler = signal.signal(signal.SIGINT, self._handle)
        self._is_running = True
        if self.is_stopped and self._interrupt is None:
            raise KeyboardInterrupt

    def leave(self) -> None:
        """Stop handling interrupts, and restore the earlier handler. May be called repeatedly."""
        self._is_running = False
        with self._lock:
            pass  # a concurrent `stop` has sent its signal by now
        deadline = time.monotonic() + ARRIVES_WITHIN_S
        while self._signals_on_the_way > 0 and time.monotonic() < deadline:
            time.sleep(0.001)
        self._signals_on_the_way = 0
        # A cell may have replaced this handler before the end of an async call.
        if self._is_main and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._previous_handler or signal.SIG_DFL)

    def stop(self) -> None:
        """Interrupt the call, because its answer was stopped. Any thread may call this."""
        with self._lock:
            self.is_stopped = True
            if not self._is_running:
                return
            if self._interrupt is not None:
                self._interrupt()
            elif self._is_main:
                self._signals_on_the_way += 1
                send_interrupt()

    def note_interrupt(self) -> None:
        """Note that the call has got a ``KeyboardInterrupt``, from any source."""
        if self._signals_on_the_way:
            self._signals_on_the_way = 0
        elif not self.is_stopped:
            self.is_interrupted = True

    def _handle(self, number: int, frame: Any) -> None:
        is_ours = self._signals_on_the_way > 0
        if is_ours:
            self._signals_on_the_way -= 1
        if not self._is_running:
            if not is_ours and callable(self._previous_handler):
                self._previous_handler(number, frame)
            return
        if not is_ours:
            self.is_interrupted = True
        if self._interrupt is None:
            raise KeyboardInterrupt
        self._interrupt()


def send_interrupt() -> None:
    """Send SIGINT to the main thread, which also ends a blocking system call."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)
