"""The fixture of the tests in `tests/kernel/tools` that need no kernel."""

from __future__ import annotations

from tests.kernel.tools.written_link import link as link
