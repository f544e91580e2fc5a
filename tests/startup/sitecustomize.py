"""Read by every Python that the tests start: leaves out half of a Jupyter server's start.

Where `rfc3987_syntax` is installed, jsonschema checks international addresses with it, of which
Jupyter has none; elsewhere it does without. Its import compiles a grammar, for about a second.
"""

import sys

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # so its import fails
