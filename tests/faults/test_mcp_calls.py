"""L14 by SIGKILL: the server dies while it waits for an MCP server's answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.processes import eventually
from tests.mcp.lab import McpLab, is_running

pytestmark = [pytest.mark.faults, pytest.mark.slow]

NAMES = ("lab__wait", "lab__wait_again")


async def test_a_call_that_was_cut_is_made_again_only_if_a_trusted_server_says_so(
    make_server: Any, tmp_path: Path
) -> None:
    """L12, L13, L14: one consent each; and the MCP server's process ends with ours."""
    lab = McpLab(tmp_path)
    lab.write(lab=lab.entry())
    server = make_server(mcp_config=str(lab.file), mcp_trusted="lab", max_crashes=10)
    await server.start()
    runs: dict[str, tuple[str, str]] = {}
    for name in NAMES:
        thread = await server.thread("demo/tools")
        chosen = {"tools": {"mode": "ask", "names": [name]}}
        assert (await server.ask("PATCH", f"threads/{thread}", chosen))[0] == 200
        sent = await server.send(thread, f"{name} {{}}", params={"chars_per_second": 0})
        runs[name] = (thread, sent["run"]["id"])

    async def parts(name: str, kind: str) -> list[dict[str, Any]]:
        found = (await server.message(*runs[name]))["parts"]
        return [part for part in found if part["kind"] == kind]

    async def both_begun() -> bool:
        for name in NAMES:
            for part in await parts(name, "input_request"):
                if part["by"] is None:
                    body = {"request_id": part["request_id"], "value": "once"}
                    await server.ask("POST", f"runs/{runs[name][1]}/input", body)
        return lab.calls.count("begun") == 2

    await eventually(both_begun, within_s=60.0, what="both calls")
    pid = lab.pid
    server.kill()

    async def has_ended() -> bool:
        return not is_running(pid)

    await eventually(has_ended, what="the end of the MCP server, whose input has ended")
    (tmp_path / "go").touch()
    await server.start()
    results = []
    for name in NAMES:
        await server.until_run(runs[name][1], ["completed"], within_s=60.0)
        [result] = await parts(name, "tool_result")
        assert len(await parts(name, "input_request")) == 1
        results.append((result["success"], result.get("reason")))
        repeated = result
    assert results == [(False, "interrupted"), (True, None)]
    assert repeated["output"] == "waited"
    assert lab.calls.count("begun") == 3
