"""Where there is no Jupyter: the private server, shared by its parents and ended with the last."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.kernel.harness import Kernel, finish, run_script, until

ASK = """
from jupyter_chat_stream import Chat
from jupyter_chat_stream.kernel.private_server import current_leash
print(current_leash.connection and "early")
chat = Chat("s", model="demo/echo")
print(chat.ask("Hello"))
print(current_leash.connection.pid)
"""
STAY = ASK.replace(
    "print(current_leash.connection.pid)",
    "print(current_leash.connection.pid, flush=True); input()",
)

pytestmark = pytest.mark.slow


@pytest.fixture
def alone(jupyter_environment: dict[str, str]) -> dict[str, str]:
    """The environment of a user who has no server."""
    return jupyter_environment


StartScript = Callable[[str, dict[str, str]], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartScript]:
    """Start scripts that end with the test."""
    with ExitStack() as stack:

        def start(code: str, environment: dict[str, str]) -> subprocess.Popen[str]:
            script = stack.enter_context(run_script(code, environment, tmp_path))
            stack.callback(script.kill)
            return script

        yield start


def note_of(environment: dict[str, str]) -> Path | None:
    folder = Path(environment["JUPYTER_DATA_DIR"]) / "chat-stream" / "headless"
    return next(folder.glob("*.json"), None)


def has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def read_pid(script: subprocess.Popen[str]) -> int:
    """Read what a script of `STAY` prints, and give its server's process."""
    assert script.stdout is not None
    lines = [script.stdout.readline().strip() for _ in range(3)]
    assert lines[:2] == ["None", "Hello"], lines
    return int(lines[2])


def test_a_script_gets_a_server_that_ends_with_it(
    alone: dict[str, str], start: StartScript
) -> None:
    script = start(ASK, alone)
    lines = finish(script).split()
    assert lines[:2] == ["None", "Hello"]
    until(lambda: has_ended(int(lines[2])), "the server's end")
    assert note_of(alone) is None
    assert not list(Path(alone["JUPYTER_RUNTIME_DIR"]).rglob("connection-*.json"))


def test_two_scripts_that_start_at_once_share_one(
    alone: dict[str, str], start: StartScript
) -> None:
    scripts = [start(STAY, alone) for _ in range(2)]
    first, second = (read_pid(script) for script in scripts)
    assert first == second
    scripts[0].communicate("\n", timeout=30)
    assert not has_ended(second), "it ended with its first parent"
    scripts[1].communicate("\n", timeout=30)
    until(lambda: has_ended(second), "the server's end")


def test_the_server_ends_when_its_parent_is_killed(
    alone: dict[str, str], start: StartScript
) -> None:
    script = start(STAY, alone)
    server = read_pid(script)
    script.send_signal(signal.SIGKILL)
    script.communicate()
    until(lambda: has_ended(server), "the server's end")


def test_the_server_ends_although_its_folders_were_removed(
    alone: dict[str, str], start: StartScript
) -> None:
    script = start(STAY, alone)
    server = read_pid(script)
    shutil.rmtree(alone["HOME"])
    script.communicate("\n", timeout=30)
    until(lambda: has_ended(server), "the server's end")


def test_a_parents_own_children_do_not_keep_the_server(
    alone: dict[str, str], start: StartScript
) -> None:
    """A forked child that never speaks must not hold what its parent held."""
    code = STAY.replace(
        "print(chat", "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nprint(chat"
    )
    script = start(code, alone)
    server = read_pid(script)
    children = psutil.Process(script.pid).children()
    (forked,) = [child for child in children if child.pid != server]
    script.kill()
    script.wait()
    until(lambda: has_ended(server), "the server's end")
    assert forked.is_running()
    forked.kill()
    script.communicate()


def test_a_killed_server_is_started_anew_and_following_goes_on(
    alone: dict[str, str], start: StartScript
) -> None:
    code = """
import os, signal
from jupyter_chat_stream import Chat
from jupyter_chat_stream.kernel.private_server import current_leash
chat = Chat("s")
run = chat.send("Go", model="demo/long", params={"chars": 2000, "chars_per_second": 2000})
seqs, text, killed = [], "", None
for event in run.events():
    seqs.append(event.seq)
    if event.type == "delta":
        text += event.body.text
    if len(text) > 300 and killed is None:
        killed = current_leash.connection.pid
        os.kill(killed, signal.SIGKILL)
missing = set(range(seqs[0], seqs[-1] + 1)) - set(seqs)  # the thread's title is of no run
print(missing == {4} and len(seqs) == len(set(seqs)), text == run.wait(30).content)
print(len(text) >= 2000, run.status, killed != current_leash.connection.pid, chat.value == text)
"""
    assert finish(start(code, alone)) == "True True\nTrue completed True True\n"


def test_its_files_are_for_its_user_only(alone: dict[str, str], start: StartScript) -> None:
    script = start(STAY, alone)
    read_pid(script)
    note = note_of(alone)
    assert note is not None
    connection = Path(json.loads(note.read_text())["connection"])
    for file in (note, note.with_suffix(".log"), note.with_suffix(".lock"), connection):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert json.loads(connection.read_text())["url"].startswith("http://127.0.0.1:")
    assert not list(Path(alone["JUPYTER_RUNTIME_DIR"]).glob("jpserver-*"))
    script.communicate("\n", timeout=30)


def test_a_server_that_does_not_start_says_why(alone: dict[str, str], start: StartScript) -> None:
    config = Path(alone["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.py"
    config.write_text("c.ChatStream.max_active_runs = 'many'\n")
    script = start("from jupyter_chat_stream import Chat\nChat('s')", alone)
    _, err = script.communicate(timeout=60)
    assert "ServerUnavailable: The private chat server did not start:" in err
    assert "max_active_runs" in err


def test_settings_of_the_chat_hold_for_the_private_server(
    alone: dict[str, str], start: StartScript
) -> None:
    config = Path(alone["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.py"
    config.write_text(
        "c.ChatStream.default_model = 'demo/echo'\n"
        "c.ServerApp.ip = '0.0.0.0'\nc.ServerApp.base_url = '/elsewhere/'\n"
    )
    code = """
from jupyter_chat_stream import Chat
from jupyter_chat_stream.kernel.private_server import current_leash
model, url = Chat().model, current_leash.connection.url
print(model, url.rsplit(":", 1)[0], "elsewhere" in url)
"""
    assert finish(start(code, alone)) == "demo/echo http://127.0.0.1 False\n"


# --------------------------------------------------------------------------- who gets which server


def error_of(kernel: Kernel) -> str:
    outcome = kernel.run("from jupyter_chat_stream import Chat\nChat('s')", fails=True)
    assert outcome.error == "ServerUnavailable", outcome.traceback
    return outcome.traceback.splitlines()[0]


def test_a_kernel_of_a_jupyter_server_without_the_extension_is_told_where_to_install_it(
    alone: dict[str, str], tmp_path: Path
) -> None:
    kernel = Kernel({**alone, "JPY_SESSION_NAME": "/home/me/churn.ipynb"}, tmp_path)
    try:
        assert "Install jupyter-chat-stream where JupyterLab runs" in error_of(kernel)
    finally:
        kernel.close()


def test_a_kernel_whose_starter_is_a_jupyter_server_is_told_too(
    alone: dict[str, str], tmp_path: Path
) -> None:
    """A kernel started without a notebook has no name, but its server has left its card."""
    card = Path(alone["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{os.getpid()}.json"
    card.write_text("{}")
    kernel = Kernel(alone, tmp_path)
    try:
        assert "Install jupyter-chat-stream where JupyterLab runs" in error_of(kernel)
    finally:
        kernel.close()


@pytest.mark.parametrize("wish", ["", "1"])
def test_other_kernels_get_the_private_server(
    alone: dict[str, str], tmp_path: Path, wish: str
) -> None:
    """As nbconvert and nbval start them; with a 1, any kernel gets it."""
    more = {"JUPYTER_CHAT_STREAM_HEADLESS": "1", "JPY_SESSION_NAME": "/x/y.ipynb"} if wish else {}
    kernel = Kernel({**alone, **more}, tmp_path)
    try:
        assert kernel.run(ASK).text.split()[:2] == ["None", "Hello"]
    finally:
        kernel.close()


def test_who_wants_no_private_server_gets_none(alone: dict[str, str], start: StartScript) -> None:
    environment = {**alone, "JUPYTER_CHAT_STREAM_HEADLESS": "0"}
    script = start("from jupyter_chat_stream import Chat\nChat('s')", environment)
    _, err = script.communicate(timeout=60)
    assert "ServerUnavailable: No chat server is known here" in err
    assert note_of(alone) is None


# ------------------------------------------------------------------------------------ the command


def command(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter_chat_stream", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_finds_a_text_that_is_not_what_its_events_say(
    alone: dict[str, str], start: StartScript
) -> None:
    import sqlite3

    finish(start(ASK, alone))
    sound = command("check", environment=alone)
    assert (sound.returncode, sound.stdout) == (0, "0 differences\n"), sound.stderr
    database = Path(alone["JUPYTER_DATA_DIR"]) / "chat-stream" / "chat.db"
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE message SET parts = replace(parts, 'Hello', 'Hallo')")
    connection.close()
    damaged = command("check", environment=alone)
    assert damaged.returncode == 1
    *found, total = damaged.stdout.splitlines()
    assert total == f"{len(found)} differences"
    assert found
    assert all(line.startswith("thread ") for line in found)


def test_check_makes_no_database(alone: dict[str, str]) -> None:
    result = command("check", environment=alone)
    assert result.returncode == 1
    assert "There is no database" in result.stderr
    assert not (Path(alone["JUPYTER_DATA_DIR"]) / "chat-stream" / "chat.db").exists()


def test_status_tells_of_the_server_of_this_terminal(
    alone: dict[str, str], start: StartScript
) -> None:
    script = start(STAY, alone)
    pid = read_pid(script)
    note = note_of(alone)
    assert note is not None
    where = json.loads(note.read_text())["connection"]
    result = command("status", environment={**alone, "JUPYTER_CHAT_STREAM_CONNECTION": where})
    assert f"(process {pid})" in result.stdout
    assert "completed 1" in result.stdout
    script.communicate("\n", timeout=30)


def test_serve_says_how_others_find_it_and_stays_until_it_is_stopped(
    alone: dict[str, str],
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "jupyter_chat_stream", "serve"],
        env=alone,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as served:
        assert served.stdout is not None
        words = served.stdout.readline().split()
        assert words[0] == "export"
        name, _, path = words[1].partition("=")
        result = command("status", environment={**alone, name: path})
        assert f"(process {served.pid})" in result.stdout
        served.terminate()
        served.wait(30)
    assert not Path(path).exists()
    assert note_of(alone) is None


def test_an_unknown_word_names_the_known_ones(alone: dict[str, str]) -> None:
    result = command("dance", environment=alone)
    assert result.returncode == 2
    assert "serve, status, check" in result.stderr
