"""Calls and what they give: a mistake of the user's own costs nobody their handle."""

from __future__ import annotations

from pathlib import Path

from tests.kernel.harness import finish, run_script

HERE = Path(__file__).parent


def test_an_observer_that_raises_keeps_nobody_from_their_run_or_answer(
    jupyter_environment: dict[str, str], tmp_path: Path
) -> None:
    code = (HERE / "observer_raises.py").read_text()
    printed = finish(run_script(code, jupyter_environment, tmp_path))
    assert "[('send', 'Run'), ('ask', 'Message')] | messages sent: 2" in printed
