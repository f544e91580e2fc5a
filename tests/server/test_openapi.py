"""docs/openapi.yaml, held against the real server by schemathesis.

Every operation is asked what its schema allows and what it forbids; no answer may be a 5xx, or
one that the file does not name. The runs are the demo's, the waits are cut short, and the
WebSocket and the event stream have tests of their own.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_chat_stream.server import queries
from jupyter_chat_stream.server.extension import ROUTES
from tests.server.harness import ChatServer

SPEC = Path(__file__).parents[2] / "docs" / "openapi.yaml"
EXAMPLES = 15
NEXT_YEAR = f"{datetime.now(UTC).year + 1}-01-01T00:00:00+01:00"
LAST_WEEK = f"{datetime.now(UTC) - timedelta(days=7):%Y-%m-%d}"
# Of what no schema can tell whether it can be meant, these can.
MEANT = {
    "AttachmentIdOrNull": [None],
    "NotebookPath": ["nothing.ipynb", "a/b c.ipynb"],
    "ModelId": ["demo/echo", "demo/fast", "demo/ask"],
    "TimeWithZone": ["2020-01-01T00:00:00Z", NEXT_YEAR],
    "Cron": ["0 9 * * *", "*/5 8-17 * JAN MON-FRI"],
    "Zone": ["UTC", "Europe/Berlin"],
    "ThreadParams": [{}, {"chars_per_second": 0}],
    "ToolOfMessage": [{"name": "search"}],
    "EndpointName": ["anthropic", "nowhere"],  # none whose models are asked over the network
    "TimeOrDay": [LAST_WEEK, f"{LAST_WEEK}T12:00:00+02:00"],
}
# An id that nobody has, a name that is taken, a run that has not ended: well formed, refused.
CONFIG = """
[generation]
deterministic = true

[phases.stateful]
max-steps = 6

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "403", "404", "409"]

# It wants 401 where there is no token; Jupyter says 403, and so do we (test_access.py).
[checks.missing_required_header]
enabled = false

# It takes any 404 for the address's own: one may name a message in the body that is not there.
[checks.ensure_resource_availability]
enabled = false
"""


@pytest.fixture
def spec() -> dict[str, Any]:
    return dict(yaml.safe_load(SPEC.read_text()))


def test_every_address_is_described_and_no_other(spec: dict[str, Any]) -> None:
    described = set()
    for path, operations in spec["paths"].items():
        methods = {name.upper() for name in operations} - {"PARAMETERS"}
        described |= {(path, method) for method in methods}
    served = set()
    for pattern, handler in ROUTES[:-2]:  # the WebSocket, and whatever else
        path = "/" + re.sub(r"(\w+)s/\(\[\^/\]\+\)", r"\1s/{\1_id}", pattern)
        path = path.replace("{tool_id}", "{tool_call_id}")
        for name in path.partition("(")[2].rstrip(")").split("|") or [""]:
            plain = path.partition("(")[0] + name
            methods = {"GET", "POST", "PUT", "PATCH", "DELETE"} & set(vars_of(handler))
            served |= {(plain, method) for method in methods}
    assert described == served


def vars_of(handler: type) -> list[str]:
    return [name.upper() for name in vars(handler)]


def test_every_operation_names_what_refuses_it(spec: dict[str, Any]) -> None:
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                named = set(operation["responses"])
                assert {"403", "500", "503"} <= named, (path, method)
                assert "404" in named or "{" not in path, (path, method)
                assert "413" in named or "requestBody" not in operation, (path, method)


@pytest.mark.slow
async def test_schemathesis_finds_no_5xx_and_no_undocumented_answer(
    chat_server: ChatServer,
    spec: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "MAX_WAIT_S", 0.05)
    for parameter in spec["paths"]["/threads/{thread_id}/events"]["get"]["parameters"]:
        if parameter["name"] == "wait":
            parameter["schema"]["maximum"] = 0.05
    for name, values in MEANT.items():
        spec["components"]["schemas"][name] = {"enum": values}
    (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file=schemathesis.toml",
        "run",
        "openapi.yaml",
        f"--url={chat_server.url.rstrip('/')}",
        f"--header=Authorization: token {chat_server.token}",
        f"--max-examples={EXAMPLES}",
        "--request-timeout=10",
        "--no-color",
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = (await process.stdout.read()).decode()
    assert await process.wait() == 0, said
    assert "No issues found" in said or "passed" in said, said
