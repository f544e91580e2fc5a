"""The environment of a scratch kernel: only the variables that a kernel needs, no secrets.

This module lists the allowed names, because nobody knows all names of secrets. A secret under an
allowed name is dropped, too.
"""

from __future__ import annotations

import re
import site
from collections.abc import Mapping
from pathlib import Path

_PASS = re.compile(
    r"PATH|LANG|LANGUAGE|LC_\w+|TZ|TERM|PYTHONPATH|PYTHONHOME|PYTHONUTF8|VIRTUAL_ENV|"
    r"CONDA_(?:PREFIX|DEFAULT_ENV)|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|JUPYTER_PATH|"
    r"(?:OMP|OPENBLAS|MKL|NUMEXPR)_NUM_THREADS|"
    r"SYSTEMROOT|SYSTEMDRIVE|COMSPEC|PATHEXT|WINDIR|NUMBER_OF_PROCESSORS|PROCESSOR_\w+",
    re.IGNORECASE,
)
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)


def scratch_environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the environment of a kernel whose home is ``folder``.

    So the kernel does not find settings, histories and key files in the person's home, but it
    still finds packages that are installed for the person.
    """
    variables = {
        name: value
        for name, value in environment.items()
        if _PASS.fullmatch(name) and not _SECRET.search(name)
    }
    home = str(folder)
    return {
        **variables,
        **dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), home),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": home,
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "PYTHONUSERBASE": site.getuserbase(),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
