"""The one place that says which version this is."""

__version__ = "0.1.0"

# The wire protocol's version: raised only when an older reader could no longer follow.
PROTOCOL_VERSION = 1
