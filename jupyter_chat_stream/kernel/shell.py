"""IPython's shell of this process. IPython is not imported: without it there is no shell."""

from __future__ import annotations

import sys
from typing import Any


def running_shell() -> Any:
    """Return the shell of a kernel or a terminal; None in a script."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def shell_of_kernel() -> Any:
    """Return the kernel's shell; None in a script or a terminal."""
    shell = running_shell()
    return shell if getattr(shell, "kernel", None) is not None else None
