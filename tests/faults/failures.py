"""Every way a provider fails, as the fake API is told to do it, and the code it ends with.

``FINAL`` no retry can help. ``PASSING`` comes before anything was said, ``CUTS`` in the middle of
the text; both pass by themselves.
"""

from __future__ import annotations

from typing import Any

TOO_LONG = "prompt is too long: 210000 tokens > 200000 maximum"


def http_error(
    status: int, type_: str, message: str = "scripted", **headers: str
) -> dict[str, Any]:
    return {
        "status": status,
        "error_type": type_,
        "error_message": message,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
    }


FINAL = {
    "bad key": (http_error(401, "authentication_error"), "bad_key"),
    "forbidden key": (http_error(403, "permission_error"), "bad_key"),
    "no such model": (http_error(404, "not_found_error"), "no_such_model"),
    "too long": (http_error(400, "invalid_request_error", TOO_LONG), "prompt_too_long"),
    "too large": (http_error(413, "request_too_large"), "prompt_too_long"),
    "bad request": (http_error(400, "invalid_request_error"), "bad_request"),
    "refusal": ({"stop_reason": "refusal", "text": "I"}, "refusal"),
}

PASSING = {
    "rate limited": (http_error(429, "rate_limit_error"), "rate_limited"),
    "overloaded": (http_error(529, "overloaded_error"), "overloaded"),
    "server error": (http_error(500, "api_error"), "provider_down"),
    "bad gateway": ({"status": 502, "body": "<html>no JSON</html>"}, "provider_down"),
    "reset": ({"fault": "reset", "before_headers": True}, "provider_down"),
    "dropped": ({"fault": "drop", "before_headers": True}, "provider_down"),
    "silent": ({"fault": "silence", "before_headers": True}, "stalled"),
    "silent stream": ({"fault": "silence"}, "stalled"),
    "error in a 200": ({"fault": "error"}, "overloaded"),
    "empty stream": ({"fault": "cut"}, "stream_cut"),
}

CUTS = {
    "cut without its end": ({"fault": "cut"}, "stream_cut"),
    "dropped": ({"fault": "drop"}, "stream_cut"),
    "reset": ({"fault": "reset"}, "stream_cut"),
    "error event": ({"fault": "error"}, "overloaded"),
    "garbage": ({"fault": "garbage"}, "stream_cut"),
    "silence": ({"fault": "silence"}, "stalled"),
}
