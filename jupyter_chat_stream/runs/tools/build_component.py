"""The tool ``build_component``: makes a tested cell with widgets from a description.

``build`` begins a build: a separate run in which the model writes versions, and ``test`` tries each
version (``components.builds``). ``test`` runs code, so it needs a consent that shows the code
(L13). It uses a scratch kernel and leaves no changes, so the call may be repeated (L14).
"""

from __future__ import annotations

import re
from typing import Any

from ...shared.tool_records import ToolInput, ToolRecord
from ...store.front import BuildState, NewBuild
from ..components.reports import CellReport
from ..components.scratch_kernel import ScratchKernels
from .base import BuildWait, CallContext, NewFile, ToolDone, ToolOutcome

NAME = "build_component"
MAX_DESCRIPTION_CHARS = 8_000
MAX_CODE_CHARS = 64_000
MAX_NAME_CHARS = 60
PYTHON = "text/x-python"

BUILD_COMPONENT: ToolRecord = {
    "name": NAME,
    "description": (
        "Build an interactive component (ipywidgets) as one cell of a notebook, and get it as a "
        "file that the person can open and insert. Operations: 'build' has a model write the cell "
        "from a 'description' and tries it in a scratch kernel; with 'wait': true (the default) "
        "the result comes with the component, with false at once as a 'job_id', while the "
        "component is built and arrives later in the chat. 'test' tries 'code' that you have "
        "written: one whole cell whose last expression is the widget. 'status' and 'cancel' ask "
        "about a 'job_id' and end it. The person is shown every version before it runs."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "operation": {"type": "string", "enum": ["build", "test", "status", "cancel"]},
            "description": {
                "type": "string",
                "maxLength": MAX_DESCRIPTION_CHARS,
                "description": "Of 'build': what the component shows and does, with all details.",
            },
            "wait": {"type": "boolean", "description": "Of 'build'. Default: true."},
            "name": {
                "type": "string",
                "maxLength": MAX_NAME_CHARS,
                "description": "Of 'build' and 'test': the file's name, without an ending.",
            },
            "code": {
                "type": "string",
                "maxLength": MAX_CODE_CHARS,
                "description": "Of 'test': the cell.",
            },
            "job_id": {"type": "string", "description": "Of 'status' and 'cancel'."},
        },
        "required": ["operation"],
        "additionalProperties": False,
    },
    "where": "server",
    "effect": "run",
    # A build itself runs no code: a 'test' tries each version.
    "operations": {"build": "read", "test": "run", "status": "read", "cancel": "read"},
    "idempotent": True,
    "source": "builtin",
}


class BuildComponent:
    """Begins builds, and tries cells in scratch kernels."""

    definition = BUILD_COMPONENT

    def __init__(self, kernels: ScratchKernels) -> None:
        self._kernels = kernels

    async def call(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        """Make one call of an operation."""
        operation = input.get("operation")
        if operation == "build":
            return await self._build(input, context)
        if operation == "test":
            return await self._test(input, context)
        job_id = input.get("job_id")
        if not isinstance(job_id, str):
            return _failure("'job_id' must be the text that a call with 'wait': false returned.")
        if operation == "cancel":
            was_open = await context.builds.cancel(job_id)
            return ToolDone(output={"job_id": job_id, "cancelled": was_open})
        return ToolDone(output=_state_output(job_id, await context.builds.find(job_id)))

    async def _build(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        if context.job_id is not None:
            return product_of(context.job_id, await context.builds.find(context.job_id))
        description = input.get("description")
        if not isinstance(description, str) or not description.strip():
            return _failure("'description' must be a text that is not blank.")
        name = file_name(input.get("name"), description)
        return NewBuild(
            description=description[:MAX_DESCRIPTION_CHARS],
            name=name,
            waits=input.get("wait") is not False,
        )

    async def _test(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        code = input.get("code")
        if not isinstance(code, str) or not code.strip():
            return _failure("'code' must be one whole cell.")
        if len(code) > MAX_CODE_CHARS:
            return _failure(f"'code' has more than {MAX_CODE_CHARS} characters.")
        await context.write("Trying the cell in a scratch kernel…\n")
        report = await self._kernels.try_cell(code)
        await context.write(_summary_of(report))
        if not report.works:
            return ToolDone(success=False, output=_report_output(report))
        name = file_name(input.get("name"), "component")
        file = NewFile(name=f"{name}.py", type=PYTHON, data=code.encode("utf-8", "replace"))
        return ToolDone(output={**_report_output(report), "file": file.name}, attachments=(file,))


def product_of(job_id: str, state: BuildState) -> ToolOutcome:
    """Return the result of a call that waits for a build: the file, or the build's error."""
    if not state.has_ended:
        return BuildWait(job_id=job_id)
    output = _state_output(job_id, state)
    code = None if state.call is None else state.call["input"].get("code")
    if output["status"] != "built" or not isinstance(code, str):
        return ToolDone(success=False, output=output)
    file = NewFile(name=str(output["file"]), type=PYTHON, data=code.encode("utf-8", "replace"))
    return ToolDone(output=output, attachments=(file,))


def file_name(requested_name: Any, otherwise: str) -> str:
    """Return a file name with only the characters of a Python module name."""
    text = (
        requested_name if isinstance(requested_name, str) and requested_name.strip() else otherwise
    )
    text = text.strip().removesuffix(".py")
    words = re.findall(r"[A-Za-z0-9]+", text.lower())[:5]
    name = "_".join(words)[:40].strip("_") or "component"
    return name if name[0].isalpha() else f"c_{name}"


def _state_output(job_id: str, state: BuildState) -> dict[str, Any]:
    """Return the progress of a build, for the model."""
    output: dict[str, Any] = {"job_id": job_id, "status": "building", "tries": state.tries}
    result = state.result
    if not state.has_ended:
        is_trying = state.call is not None and result is None
        return {**output, "step": "trying a version" if is_trying else "writing a version"}
    if state.status != "completed":
        return {**output, "status": state.status, **({"error": state.error} if state.error else {})}
    if result is None:
        return {**output, "status": "failed", "error": "The model wrote no code."}
    if not result["success"]:
        status = result.get("reason", "failed")
        return {**output, "status": status, "error": result["output"]}
    return {**output, "status": "built", **dict(result["output"])}


def _report_output(report: CellReport) -> dict[str, Any]:
    """Return a report for the model, without empty fields."""
    fields = {
        "error": report.error,
        "printed": report.printed_text,
        "widgets": list(report.widgets),
    }
    filled_fields = {name: value for name, value in fields.items() if value}
    return {"works": report.works, "seconds": report.seconds, **filled_fields}


def _summary_of(report: CellReport) -> str:
    """Return a report as one line for people."""
    if not report.works:
        return f"It does not work.\n{report.error}\n"
    widgets = f": {', '.join(report.widgets)}" if report.widgets else ""
    return f"It works: it ran in {report.seconds:g} s and shows a widget{widgets}.\n"


def _failure(reason: str) -> ToolDone:
    return ToolDone(success=False, output=reason)
