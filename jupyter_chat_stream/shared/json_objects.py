"""JSON objects of another side (a provider, a tool, a file), whose fields no type can name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]  # one that is being made, or may be changed
JsonView = Mapping[str, Any]  # one that is only read
