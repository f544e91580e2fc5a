"""Files of a tool's result over HTTP: as an executor gives them, and as others read them."""

from __future__ import annotations

import base64
import json
from typing import Any

from jupyter_chat_stream.testing import ScriptedProvider
from tests.runs.calls import call, in_rounds, tool
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, until
from tests.server.test_access import ByHeader
from tests.server.test_attachment_exports import NAME, exported
from tests.server.test_attachments import PNG, upload, uploaded
from tests.server.test_tools import command, offering, parts_of, thread_of, waiting


async def test_an_executor_uploads_files_and_names_them_in_its_result(
    chat_server: ChatServer,
) -> None:
    """L12; every export tells the files, and two show the image."""
    thread = await thread_of(chat_server, [call("c1", "plot")])
    socket = await offering(chat_server, thread, tool("plot"))
    await socket.next("offered")
    run = (await chat_server.send(thread))["run"]["id"]
    await waiting(chat_server, run)
    taken = await command(chat_server, run, "c1", "claim", executor="kernel of a.ipynb")
    given = {"claim": taken.json["claim"], "success": True, "output": "drawn"}
    image = await upload(chat_server, PNG, name=NAME)
    table = await uploaded(chat_server, b"a,b\n1,2\n", "text/csv", "t.csv")
    for wrong, status, code in (
        ([image.json["id"], "none"], 404, "attachment_not_found"),
        ([table, table], 400, "invalid_input"),
        ("x", 400, "invalid_input"),
    ):
        refused = await command(chat_server, run, "c1", "result", **given, attachments=wrong)
        assert (refused.status, refused.error["code"]) == (status, code)
    ids = [image.json["id"], table]
    ended = await command(chat_server, run, "c1", "result", **given, attachments=ids)
    assert ended.status == 200, ended.body
    again = await command(chat_server, run, "c1", "result", **given, attachments=ids)
    assert [each["id"] for each in again.error["result"]["attachments"]] == ids
    parts = await parts_of(chat_server, thread)
    (result,) = [part for part in parts if part["kind"] == "tool_result"]
    assert result["attachments"][0] == image.json
    held = await chat_server.ask("DELETE", f"attachments/{table}")
    assert (held.status, held.error["code"]) == (409, "attachment_in_use")
    while (await chat_server.ask("GET", f"runs/{run}")).json["ended_at"] is None:
        pass

    encoded = base64.b64encode(PNG).decode()
    markdown = await exported(chat_server, thread, "md")
    assert "**File of the result**" in markdown
    assert "t.csv (text/csv, 8 bytes), from the tool plot" in markdown
    assert "Attached" not in markdown
    html = await exported(chat_server, thread, "html")
    assert html.count(f'<img src="data:image/png;base64,{encoded}" alt="a&quot;') == 1
    assert html.count(", from the tool plot</figcaption>") == 1
    assert html.count(", from the tool plot</p>") == 1
    notebook = json.loads(await exported(chat_server, thread, "ipynb"))
    assert notebook["cells"][-1]["attachments"] == {f"{ids[0]}.png": {"image/png": encoded}}
    assert "".join(notebook["cells"][-1]["source"]).count(", from the tool plot") == 2
    whole = json.loads(await exported(chat_server, thread, "json"))
    parts = whole["messages"][-1]["parts"]
    assert [part["attachments"][0] for part in parts if "attachments" in part] == [image.json]


async def test_a_result_cannot_name_the_upload_of_somebody_else(start_server: StartServer) -> None:
    """L16: the same answer as for what is not there; and nothing of it is held."""
    server = await start_server(ServerApp_identity_provider_class=ByHeader)
    ada, eve = {"X-User": "ada"}, {"X-User": "eve"}
    await server.ask("GET", "status", headers=ada)  # it waits for the service
    provider = ScriptedProvider(default=in_rounds([call("c1", "plot")]))
    server.subsystems.registry.add(provider)
    made = await server.ask("POST", "threads", {"model": "scripted/model"}, headers=ada)
    thread = made.json["id"]
    socket = await server.socket(ada)
    frame: dict[str, Any] = {"op": "offer", "thread": thread, "executor": "k1", "label": "k"}
    await socket.send({**frame, "where": "kernel", "tools": [tool("plot")]})
    await socket.next("offered")
    sent = await server.ask("POST", f"threads/{thread}/messages", {"content": "Go"}, headers=ada)
    run = sent.json["run"]["id"]
    await until(lambda: provider.active == 0 and provider.prompts)
    path = f"runs/{run}/tools/c1"
    while True:  # the round is reviewed soon
        taken = await server.ask("POST", f"{path}/claim", {"executor": "k"}, headers=ada)
        if taken.status == 200:
            break
    hers = (await upload(server, PNG, headers=eve)).json["id"]
    given = {"claim": taken.json["claim"], "success": True, "output": "drawn"}
    answers = [
        await server.ask("POST", f"{path}/result", {**given, "attachments": [id_]}, headers=ada)
        for id_ in (hers, "none")
    ]
    assert [each.status for each in answers] == [404, 404]
    assert [each.error["code"] for each in answers] == ["attachment_not_found"] * 2
    assert (await server.ask("DELETE", f"attachments/{hers}", headers=eve)).status == 204
