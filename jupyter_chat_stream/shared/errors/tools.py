"""The errors of tool calls, offers and consents."""

from __future__ import annotations

from typing import Any

from .ours import ChatStreamError, Conflict, ContentTooLarge, NotFound


class ToolNotFound(NotFound):
    code = "tool_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Nobody offers a tool {name!r} here. List the tools with GET tools.", tool=name
        )


class ToolCallNotFound(NotFound):
    code = "tool_call_not_found"

    def __init__(self, tool_call_id: str) -> None:
        super().__init__(
            f"This run has no tool call {tool_call_id!r} that an executor makes. Follow the thread "
            "to see its calls.",
            tool_call_id=tool_call_id,
        )


class FileNotReadable(NotFound):
    """The tool ``files`` finds nothing at a path, or nothing that a model may read."""

    code = "file_not_readable"

    def __init__(self, path: str, reason: str = "") -> None:
        message = f"{path!r} cannot be read. {reason}"
        if not reason:
            message = f"There is no {path!r} below the server's root. List a folder to see it."
        super().__init__(message, path=path)


class McpServerUnavailable(ChatStreamError):
    """An MCP server of ``mcp.json`` cannot be used now; None as its name: none of them can."""

    code = "mcp_server_unavailable"
    status = 503

    def __init__(self, server: str | None, reason: str, *, slug: str | None = None) -> None:
        subject = "No MCP server" if server is None else f"The MCP server {server!r}"
        verb = "can be used" if server is None else "cannot be used"
        super().__init__(f"{subject} {verb}. {reason}", server=server)
        self.source = "mcp" if slug is None else f"mcp:{slug}"


class ConsentNotFound(NotFound):
    code = "consent_not_found"

    def __init__(self, consent_id: str) -> None:
        super().__init__(
            f"You have no standing consent {consent_id!r}. List yours with GET consents.",
            consent_id=consent_id,
        )


class BuildNotFound(NotFound):
    code = "build_not_found"

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"This chat builds nothing under the job_id {job_id!r}. Use one that a call of "
            "build_component has returned here.",
            job_id=job_id,
        )


class TooManyBuilds(Conflict):
    """A thread builds as much as it may at the same time."""

    code = "too_many_builds"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"This chat builds {limit} components already. Wait for one of them, or cancel one.",
            most=limit,
        )


class ScratchKernelFailed(ChatStreamError):
    """A cell could not be tried, because its kernel did not start. The cell has not run."""

    code = "scratch_kernel_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The cell was not run: its scratch kernel did not start ({reason}). The setting "
            "scratch_kernel names the kernel; `jupyter kernelspec list` lists those that there are."
        )


class ToolCallNotOpen(Conflict):
    """Another executor makes the call, or the call has ended (L12). ``state`` tells which."""

    code = "tool_call_not_open"

    def __init__(self, tool_call_id: str, state: str, **facts: Any) -> None:
        super().__init__(
            f"Tool call {tool_call_id!r} is {state}: this claim may not go on with it. "
            "Stop working on it; what came first stands.",
            tool_call_id=tool_call_id,
            state=state,
            **facts,
        )


class ConsentNeeded(Conflict):
    """A person has to allow the call before it is made (L13)."""

    code = "consent_needed"

    def __init__(self, tool_call_id: str) -> None:
        super().__init__(
            f"Tool call {tool_call_id!r} is not allowed yet. Claim it once the thread tells "
            "`tool_allowed`.",
            tool_call_id=tool_call_id,
        )


class ToolOutputTooLarge(ContentTooLarge):
    """The result of a tool call is larger than its limit."""

    code = "tool_output_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"'output' has {size} bytes as JSON; at most {limit} are taken. Send a shorter result, "
            "such as its first rows.",
            field="output",
            max_bytes=limit,
        )
