"""What a process counts and measures, and how Prometheus gets it (docs/metrics.md).

``meter`` holds the numbers, ``runs`` and ``watch`` feed them from one service, ``collector`` gives
them out, ``serving`` does so over HTTP where no Jupyter server does.
"""
