"""The tool ``kernel``: reads the kernel's variables, and runs code in the kernel.

``variables`` and ``inspect`` read. ``evaluate`` and ``run`` execute code like a cell: magics and a
top-level ``await`` work, and printed and displayed output goes to the call's card.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...shared.json_objects import JsonObject
from ...shared.tool_records import ToolEffect, ToolRecord
from ..attachments.pictures import shows_picture
from ..shell import shell_of_kernel
from .function import KernelTool
from .results import cut_text, own_repr, table_text
from .schema import InputRefused

Variables = dict[str, Any]  # of the person's cells, by name

KERNEL = "kernel"
MAX_VARIABLES = 200
MAX_NAME_CHARS = 80
MAX_DOC_CHARS = 4_000
MAX_INSPECTED_CHARS = 12_000
OPERATIONS: Mapping[str, ToolEffect] = {
    "variables": "read",
    "inspect": "read",
    "evaluate": "run",
    "run": "run",
}
NEEDS: Mapping[str, str | None] = {
    "variables": None,
    "inspect": "name",
    "evaluate": "expression",
    "run": "code",
}

DEFINITION: ToolRecord = {
    "name": KERNEL,
    "description": (
        "The Python kernel of the person's notebook, with all variables of its cells. Operations: "
        "'variables' lists the variables with type and size; 'inspect' describes one variable (of "
        "a data frame: columns, statistics, some rows; of a function: signature and docstring; a "
        "figure or an image: the picture); "
        "'evaluate' returns the value of an expression; 'run' executes code like a cell, returns "
        "the value of its last expression, and shows what it prints. 'evaluate' and 'run' ask the "
        "person first, so look at the variables before you run code."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "operation": {"type": "string", "enum": list(OPERATIONS)},
            "name": {"type": "string", "description": "For 'inspect': the variable's name."},
            "expression": {
                "type": "string",
                "description": "For 'evaluate': one expression of Python.",
            },
            "code": {"type": "string", "description": "For 'run': the code of the cell."},
        },
        "required": ["operation"],
        "additionalProperties": False,
    },
    "where": "kernel",
    "effect": "run",
    "operations": OPERATIONS,
    "source": "builtin",
}


def kernel_tool(namespace: Variables | None = None) -> KernelTool:
    """Make the tool for the variables in ``namespace``. None: the kernel's own variables."""

    def prepare(call_input: Any) -> Callable[[], Any]:
        operation, argument = _check_input(call_input)
        variables = _kernel_namespace() if namespace is None else namespace
        if operation == "variables":
            return lambda: list_variables(variables)
        if operation == "inspect":
            return lambda: inspect_variable(variables, argument)
        mode = "eval" if operation == "evaluate" else "exec"
        return lambda: execute(argument, variables, mode)

    return KernelTool(definition=DEFINITION, prepare=prepare)


def _check_input(call_input: Any) -> tuple[str, str]:
    operation = str(call_input.get("operation")) if isinstance(call_input, Mapping) else ""
    if operation not in NEEDS:
        raise InputRefused(
            f"The tool 'kernel' has the operations {', '.join(OPERATIONS)}: set 'operation'."
        )
    field = NEEDS[operation]
    argument = call_input.get(field, "") if field is not None else ""
    if not isinstance(argument, str) or (field is not None and not argument.strip()):
        raise InputRefused(f"The operation {operation!r} needs {field!r}, a text.")
    return operation, argument


def _kernel_namespace() -> Variables:
    namespace: Variables = shell_of_kernel().user_ns
    return namespace


# ----------------------------------------------------------------------------- reading


def list_variables(namespace: Variables) -> JsonObject:
    """List the person's variables, the newest first, with type and size."""
    names = list(_own_names(namespace))[::-1]
    rows = []
    for name in names[:MAX_VARIABLES]:
        value = namespace[name]
        row = {"name": name[:MAX_NAME_CHARS], "type": type(value).__name__}
        size = size_of(value)
        rows.append({**row, "size": size} if size else row)
    output: JsonObject = {"variables": rows}
    if len(names) > MAX_VARIABLES:
        output["left_out"] = f"{len(names) - MAX_VARIABLES} older variables"
    return output


def _own_names(namespace: Variables) -> Iterator[str]:
    """List the names that the person's cells define, without modules and private names."""
    hidden_names = getattr(shell_of_kernel(), "user_ns_hidden", {})
    for name, value in list(namespace.items()):
        is_hidden = name in hidden_names and hidden_names[name] is value
        if not (name.startswith("_") or is_hidden or isinstance(value, types.ModuleType)):
            yield name


def size_of(value: Any) -> str:
    """Return the shape or the length of a value in words; empty for a value without either."""
    try:
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple) and shape and all(isinstance(n, int) for n in shape):
            return " × ".join(f"{n:,}" for n in shape)
        if isinstance(value, str | bytes):
            return f"{len(value):,} {'characters' if isinstance(value, str) else 'bytes'}"
        if isinstance(value, list | tuple | dict | set | frozenset):
            return f"{len(value):,} items"
    except Exception:  # noqa: BLE001 - a property of the user's own object
        return ""
    return ""


def inspect_variable(namespace: Variables, name: str) -> Any:
    """Describe one variable in at most ``MAX_INSPECTED_CHARS`` characters; a picture as it is."""
    name = name.strip()
    if name not in namespace:
        raise InputRefused(
            f"The kernel has no variable {name[:MAX_NAME_CHARS]!r}. List them with the operation "
            "'variables'; for a part of one, such as an attribute, use 'evaluate'."
        )
    value = namespace[name]
    summary_text = table_text(value)
    if summary_text is not None:
        return summary_text
    if shows_picture(value):
        return value
    lines = [f"{name}: {type(value).__name__}"]
    size = size_of(value)
    lines[0] += f", {size}" if size else ""
    if callable(value):
        lines.append(_signature_text(name, value))
        docstring = inspect.getdoc(value)
        if docstring:
            lines.append(cut_text(docstring, MAX_DOC_CHARS))
    else:
        lines.append(own_repr(value, MAX_INSPECTED_CHARS // 2))
    return cut_text("\n".join(line for line in lines if line), MAX_INSPECTED_CHARS)


def _signature_text(name: str, value: Any) -> str:
    try:
        return f"{name}{inspect.signature(value)}"
    except (TypeError, ValueError):
        return ""


# ----------------------------------------------------------------------------- running


def execute(code: str, namespace: Variables, mode: str) -> Any:
    """Execute code with the kernel's variables as globals.

    Returns:
        The value of the expression, or of the last expression; a coroutine if the code awaits.
    """
    if mode == "eval":
        tree: ast.AST = ast.parse(code.strip(), mode="eval")
        return eval(_compile(ast.Expression(tree.body), code, "eval"), namespace)  # type: ignore[attr-defined]
    shell = shell_of_kernel()
    code = shell.transform_cell(code) if shell is not None else code
    body = ast.parse(code).body
    last = body[-1] if body and not _is_quiet(code) else None
    value = None
    if isinstance(last, ast.Expr):
        del body[-1]
        value = _compile(ast.Expression(last.value), code, "eval")
    first = _compile(ast.Module(body, []), code, "exec")
    if _awaits(first) or (value is not None and _awaits(value)):
        return _execute_later(first, value, namespace)
    exec(first, namespace)
    return None if value is None else eval(value, namespace)


async def _execute_later(
    first: types.CodeType, value: types.CodeType | None, namespace: Any
) -> Any:
    """Execute code with a top-level ``await``."""
    for code in (first, value):
        if code is None:
            return None
        result = eval(code, namespace)
        if _awaits(code):
            result = await result
    return result


def _awaits(code: types.CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _is_quiet(code: str) -> bool:
    """Return whether the code ends with a semicolon, which hides the value of a cell."""
    return code.rstrip().endswith(";")


def _compile(tree: Any, code: str, mode: str) -> types.CodeType:
    """Compile a tree, so that tracebacks show its lines."""
    filename = f"<call {abs(hash(code)) % 10**8}>"
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return builtins.compile(tree, filename, mode, flags=flags, dont_inherit=True)
