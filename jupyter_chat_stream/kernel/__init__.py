"""The kernel's side: ``Chat``, ``Run``, and the client that connects them to the server."""
