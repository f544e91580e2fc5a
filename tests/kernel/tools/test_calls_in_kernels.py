"""Functions of real kernels that a model calls: between cells, in cells, and over their death."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream import Chat, Run
from jupyter_chat_stream.kernel.tools.failures import BY_WAIT
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from tests.conftest import home_environment
from tests.kernel.harness import PATIENCE_S, JupyterServer, Kernel, until
from tests.kernel.tools.test_calls import TOOLS, calls, results

REGISTER = """
from jupyter_chat_stream import Chat
import asyncio, time
chat = Chat({name!r})
seen = []
@chat.tool(effect="read")
def work(seconds: float = 0):
    print("working"); seen.append("begun"); time.sleep(seconds); seen.append("ended")
    return seconds
@chat.tool(effect="read")
async def wait(seconds: float = 0):
    print("waiting"); seen.append("begun"); await asyncio.sleep(seconds); seen.append("ended")
    return seconds
@chat.tool(effect="read", idempotent=True)
def again(seconds: float = 0):
    print("again"); time.sleep(seconds)
    return seconds
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server whose claims lapse soon."""
    folder = tmp_path_factory.mktemp("tools")
    environment = {**os.environ, **home_environment(folder / "home")}
    server = JupyterServer(environment, folder, **{"ChatStream.tool_lease_s": 2})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def here(server: JupyterServer, fresh_link: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONNECTION_ENV, str(server.connection))


def started(server: JupyterServer, folder: Path, name: str, notebook: str = "a.ipynb") -> Kernel:
    """Start a kernel of a notebook and register its functions."""
    environment = {**server.kernel_environment, "JPY_SESSION_NAME": notebook}
    kernel = Kernel(environment, folder)
    kernel.run(REGISTER.format(name=name))
    return kernel


@pytest.fixture
def kernel(server: JupyterServer, here: None, tmp_path: Path, name: str) -> Iterator[Kernel]:
    kernel = started(server, tmp_path, name)
    yield kernel
    kernel.close()


@pytest.fixture
def chat(kernel: Kernel, tmp_path: Path, name: str) -> Chat:
    """The same thread, from this process, as another notebook or a page has it."""
    return Chat(name, project=os.path.realpath(tmp_path), **TOOLS)


def pid_of(kernel: Kernel) -> int:
    provisioner: Any = kernel.manager.provisioner
    return int(provisioner.pid)


def printed(run: Run, text: str) -> None:
    """Wait until the run's last call has printed a text."""
    until(lambda: text in str(calls(run)[-1].get("progress") if calls(run) else ""), text)


def statuses(kernel: Kernel) -> list[tuple[str, bool]]:
    """Return the kernel's busy and idle messages up to here, and whether they name a request."""
    found = []
    kernel.client.kernel_info()
    while True:
        message = kernel.client.get_iopub_msg(timeout=PATIENCE_S)
        parent = message["parent_header"]
        if message["msg_type"] == "status":
            found.append((message["content"]["execution_state"], bool(parent)))
            if parent.get("msg_type") == "kernel_info_request" and found[-1][0] == "idle":
                return found


def test_a_call_runs_between_cells_and_shows_the_kernel_busy(kernel: Kernel, chat: Chat) -> None:
    statuses(kernel)
    run = chat.send('work {"seconds": 0.05}\nthen wait {"seconds": 0.05}').wait(PATIENCE_S)
    assert results(run) == [("work", True, 0.05), ("wait", True, 0.05)]
    assert [call["progress"] for call in calls(run)] == ["working\n", "waiting\n"]
    assert {call["executor"] for call in calls(run)} == {"kernel of a.ipynb"}
    shown = [state for state, has_parent in statuses(kernel) if not has_parent]
    assert shown == ["busy", "idle", "busy", "idle"]


def test_a_call_runs_inside_ask_and_prints_into_its_card_alone(kernel: Kernel) -> None:
    ask = f"print(chat.ask('work {{}}\\nthen wait {{}}', model={TOOLS['model']!r}).status)"
    assert kernel.run(ask).text == "completed\n"
    awaited = f"print((await chat.aask('work {{}}', model={TOOLS['model']!r})).status)"
    assert kernel.run(awaited).text == "completed\n"
    assert kernel.run("print(seen.count('ended'))").text == "3\n"


def test_a_cell_runs_while_an_async_call_waits_and_keeps_its_output(
    kernel: Kernel, chat: Chat
) -> None:
    run = chat.send('wait {"seconds": 1}')
    printed(run, "waiting")
    assert kernel.run("print('of the cell')").text == "of the cell\n"
    assert results(run.wait(PATIENCE_S)) == [("wait", True, 1)]
    assert calls(run)[0]["progress"] == "waiting\n"


def test_a_cell_that_waits_for_an_async_call_of_its_own_loop_ends_the_call(
    kernel: Kernel, chat: Chat
) -> None:
    run = chat.send('wait {"seconds": 600}')
    printed(run, "waiting")
    cell = f"print(chat.runs[-1].wait({PATIENCE_S}).status, seen)"
    assert kernel.run(cell).text == "completed ['begun']\n"
    assert results(run) == [("wait", False, BY_WAIT)]
    assert kernel.run("print(chat.ask('wait {}', model='demo/tools').status)").text == "completed\n"


@pytest.mark.parametrize("function", ["work", "wait"])
def test_an_interrupt_of_the_kernel_ends_the_call(
    kernel: Kernel, chat: Chat, function: str
) -> None:
    run = chat.send(f'{function} {{"seconds": 60}}')
    printed(run, "ing\n")
    kernel.manager.interrupt_kernel()
    assert results(run.wait(PATIENCE_S)) == [(function, False, "interrupted by the person")]
    assert kernel.run("print(seen)").text == "['begun']\n"


@pytest.mark.parametrize("function", ["work", "wait"])
def test_a_stop_of_the_chat_ends_the_call_and_no_cell_of_the_person(
    kernel: Kernel, chat: Chat, function: str
) -> None:
    run = chat.send(f'{function} {{"seconds": 60}}')
    printed(run, "ing\n")
    cell = kernel.client.execute("total = sum(range(3_000_000)); print(seen, total > 0)")
    run.cancel()
    assert kernel.collect(cell).text == "['begun'] True\n"
    long = kernel.client.execute("import time; time.sleep(1); print('whole')")
    second = chat.send("work {}")
    second.cancel()
    outcome = kernel.collect(long)
    assert (outcome.text, outcome.error) == ("whole\n", None)


def test_a_call_waits_for_the_kernels_cell_or_another_kernel_takes_it_l12(
    server: JupyterServer, kernel: Kernel, chat: Chat, tmp_path: Path, name: str
) -> None:
    cell = kernel.client.execute("time.sleep(2)")
    run = chat.send("work {}")
    until(lambda: run.status == "waiting", "the call")
    assert calls(run)[0].get("executor") is None
    other = started(server, tmp_path, name, "b.ipynb")
    try:
        run.wait(PATIENCE_S)
        kernel.collect(cell)
        many = chat.send("\n".join(["work {}"] * 8)).wait(PATIENCE_S)
        assert [result[:2] for result in results(many)] == [("work", True)] * 8
        counts = [int(each.run("print(seen.count('begun'))").text) for each in (kernel, other)]
        assert sum(counts) == 9, "each call was made once"
    finally:
        other.close()


def test_a_call_whose_kernel_dies_is_interrupted_and_a_new_kernel_serves_the_next_l14(
    server: JupyterServer, kernel: Kernel, chat: Chat, tmp_path: Path, name: str
) -> None:
    run = chat.send('work {"seconds": 60}\nthen work {"seconds": 0}')
    printed(run, "working")
    os.kill(pid_of(kernel), signal.SIGKILL)
    until(lambda: len(results(run)) == 1, "the claim's end")
    ((_, success, output),) = results(run)
    assert not success
    assert "ended before it gave a result" in str(output)
    until(lambda: len(calls(run)) == 2, "the second round")
    assert not run.is_ended, "nobody offers the function now: the call waits"
    other = started(server, tmp_path, name, "a.ipynb")
    try:
        assert results(run.wait(PATIENCE_S))[1] == ("work", True, 0)
    finally:
        other.close()


def test_a_kernel_that_froze_finds_its_result_refused_and_an_idempotent_call_made_again_l12(
    server: JupyterServer, kernel: Kernel, chat: Chat, tmp_path: Path, name: str
) -> None:
    other = started(server, tmp_path, name, "b.ipynb")
    try:
        busy = other.client.execute("time.sleep(1)")
        run = chat.send('again {"seconds": 3.0}')
        printed(run, "again")
        assert calls(run)[0]["executor"] == "kernel of a.ipynb"
        os.kill(pid_of(kernel), signal.SIGSTOP)
        other.collect(busy)
        assert results(run.wait(PATIENCE_S)) == [("again", True, 3.0)]
        assert calls(run)[0]["executor"] == "kernel of b.ipynb"
        os.kill(pid_of(kernel), signal.SIGCONT)
        assert kernel.run("print('alive')").text == "alive\n"
        assert results(run) == [("again", True, 3.0)]
    finally:
        other.close()


def test_a_server_that_restarts_in_a_call_gets_output_and_result(
    jupyter_environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    server = JupyterServer(jupyter_environment, tmp_path)
    server.start()
    kernel = started(server, tmp_path, name)
    try:
        calls_wait = "chat.send('wait {\"seconds\": 2}', model='demo/tools')"
        kernel.run(f"run = {calls_wait}\nwhile not seen: await asyncio.sleep(0.01)")
        server.kill()
        server.start()
        kernel.run("while len(seen) < 2: await asyncio.sleep(0.01)")
        told = kernel.run("print(run.wait(60).status, run.reply.parts[2]['output'])").text
        assert told == "completed 2.0\n"
    finally:
        kernel.close()
        server.stop()


# ---------------------------------------------------------------------------- the kernel tool


def test_a_model_reads_variables_at_once_and_runs_code_after_consent_l13(
    kernel: Kernel, chat: Chat
) -> None:
    kernel.run("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})\nchat.offer_kernel()")
    run = chat.send(
        'kernel {"operation": "variables"}\nkernel {"operation": "inspect", "name": "df"}'
    )
    listed, inspected = (output for _, _, output in results(run.wait(PATIENCE_S)))
    assert {"name": "df", "type": "DataFrame", "size": "3 × 1"} in listed["variables"]
    assert inspected.startswith("pandas DataFrame: 3 rows × 1 column.")
    code = 'print(\\"summing\\")\\ntotal = int(df.a.sum())\\nawait asyncio.sleep(0)\\ntotal'
    run = chat.send(f'kernel {{"operation": "run", "code": "{code}"}}')
    assert run.next_question(PATIENCE_S) is not None
    assert kernel.run("print('total' in globals())").text == "False\n"
    run.answer("once").wait(PATIENCE_S)
    assert results(run) == [("kernel", True, 6)]
    assert calls(run)[0]["progress"] == "summing\n"
    assert kernel.run("print(total)").text == "6\n"


def test_figures_and_displays_of_code_go_to_the_card_and_to_no_cell(
    kernel: Kernel, chat: Chat
) -> None:
    kernel.run("chat.offer_kernel()")
    code = (
        "%matplotlib inline\\nimport matplotlib.pyplot as plt\\nplt.plot([1, 2])\\n"
        "display(3)\\n!echo from the shell\\n1 / 0"
    )
    run = chat.send(f'kernel {{"operation": "run", "code": "{code}"}}')
    assert run.next_question(PATIENCE_S) is not None
    run.answer("once").wait(PATIENCE_S)
    ((_, success, output),) = results(run)
    assert not success
    assert output.startswith("ZeroDivisionError: division by zero")
    progress = calls(run)[0]["progress"]
    assert progress.startswith("3\nfrom the shell")
    assert progress.endswith("[figure.png]\n")  # the figure of a call that then failed
    assert run.reply is not None
    assert [file.name for file in run.reply.attachments] == ["figure.png"]
    outcome = kernel.run("print(plt.get_fignums())")
    assert (outcome.text, outcome.shown) == ("[]\n", [])


def test_a_chat_that_is_collected_takes_its_offer_along_but_not_its_functions(
    kernel: Kernel,
) -> None:
    """The tool `kernel` is offered by every chat; a function keeps its thread followed."""
    code = """
import gc, uuid
from jupyter_chat_stream.kernel import link
for _ in range(5):
    Chat(uuid.uuid4().hex)
chat.close()
del chat
gc.collect()
for _ in range(500):
    if len(link.current().followers) == 1:
        break
    await asyncio.sleep(0.01)
print(len(link.current().followers))
"""
    assert kernel.run(code).text == "1\n"
