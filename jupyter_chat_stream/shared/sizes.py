"""Numbers of bytes for people. A MB has 1024 kB, as in the settings and on the page."""

from __future__ import annotations


def size_in_words(size: int) -> str:
    """Write a number of bytes, such as ``39 bytes``, ``16.4 kB`` and ``20 MB``."""
    if size < 1024:
        return f"{size} byte{'' if size == 1 else 's'}"
    value, unit = size / 1024, "kB"
    if value >= 1023.5:
        value, unit = value / 1024, "MB"
    return f"{value:.0f} {unit}" if value >= 99.95 else f"{value:.1f} {unit}".replace(".0 ", " ")
