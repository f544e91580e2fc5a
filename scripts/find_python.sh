#!/bin/sh
# Run the arguments (a Python script and its own) with the first Python here that fits:
# 3.11 to 3.14, and complete. Each candidate is tried by running it, because a name on the PATH
# proves nothing (a pyenv shim may have no interpreter behind it).
set -eu

fits() {
    "$1" -c '
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 14): sys.exit(1)
import ctypes, sqlite3, ssl, zlib
' >/dev/null 2>&1 </dev/null
}

try() {
    if [ -n "$1" ] && fits "$1"; then
        chosen=$1
        return 0
    fi
    return 1
}

find_python() {
    # Asked for by name: that one, or nothing.
    if [ -n "${PYTHON:-}" ]; then
        try "$PYTHON" && return 0
        echo "PYTHON=$PYTHON is not a complete Python 3.11 to 3.14." >&2
        exit 1
    fi
    # The one the environment was made with stays, whatever else was installed since.
    for candidate in .venv/bin/python python3 python3.13 python3.12 python3.11 python3.14 python; do
        try "$candidate" && return 0
    done
    for folder in /usr/bin /usr/local/bin /opt/homebrew/bin "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin; do
        for candidate in "$folder"/python3.13 "$folder"/python3.12 "$folder"/python3.11 \
            "$folder"/python3.14; do
            try "$candidate" && return 0
        done
    done
    if command -v uv >/dev/null 2>&1; then
        echo "==> No fitting Python on the PATH: asking uv for one"
        uv python install 3.12 >/dev/null 2>&1 </dev/null || true
        try "$(uv python find '>=3.11,<3.15' 2>/dev/null </dev/null || true)" && return 0
    fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "==> No fitting Python here: installing the system's package python3"
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-venv; } \
            >/dev/null </dev/null || true
        try /usr/bin/python3 && return 0
    fi
    return 1
}

if ! find_python; then
    echo "No Python 3.11 to 3.14 here: install one (Debian, Ubuntu: sudo apt install python3" \
        "python3-venv; or https://www.python.org) and run this again, or name it: make PYTHON=..." >&2
    exit 1
fi
exec "$chosen" "$@"
