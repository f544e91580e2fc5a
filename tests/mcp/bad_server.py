"""An MCP server that misbehaves, written by hand: ``python bad_server.py HOW``.

It has one tool. A call of it is answered after the misbehaviour, if that ever ends.
"""

import json
import sys
from typing import Any

HOW = sys.argv[1]
TOOL = {"name": "go", "description": "Misbehave.", "inputSchema": {"type": "object"}}
NO_TOOL = {**TOOL, "name": "long", "description": "x" * 40_000}
NOTE = {"jsonrpc": "2.0", "method": "notifications/message"}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def misbehave() -> None:
    if HOW == "chatter":
        for line in ("Starting up…", "{", '{"jsonrpc": "2.0"}', "", "\ufeff"):
            say(line)
    while HOW == "line":
        sys.stdout.write("x" * 1_000_000)
    while HOW == "lines":
        say("x")
    while HOW == "storm":
        say(json.dumps(NOTE))
    if HOW == "silence":
        sys.stdin.read()


def answered(request: dict[str, Any]) -> dict[str, Any]:
    method = request["method"]
    if method == "initialize":
        version = request["params"]["protocolVersion"]
        info = {"name": "bad", "version": "1"}
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [TOOL, NO_TOOL]}
    misbehave()
    return {"content": [{"type": "text", "text": "done"}]}


for text in sys.stdin:
    request = json.loads(text)
    if "id" not in request:
        continue
    answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
    if request["method"] in ("initialize", "tools/list", "tools/call"):
        answer["result"] = answered(request)
    else:
        answer["error"] = {"code": -32601, "message": "There is no such method."}
    say(json.dumps(answer))
