"""The metrics of a process for Prometheus (docs/metrics.md).

``meter`` holds the numbers, ``runs`` and ``watch`` update them for one service, ``collector``
exposes them, and ``serving`` serves them over HTTP in a process without a Jupyter server.
"""
