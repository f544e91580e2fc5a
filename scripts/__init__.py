"""What `make` and the build run: set-up, front end, browser, demo, checks. Standard library only.

A package, so that the build hook, the tests and `make` use one and the same code.
"""
