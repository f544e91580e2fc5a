"""The kernel's side: how code in a kernel or a script speaks to the chat's server.

``find`` says where the server is, ``headless`` starts a private one where there is no Jupyter,
``link`` holds the process's one connection, ``follower`` the state of each thread it follows,
``values`` and ``run`` are what people get in their hands. Standard library, tornado and floor 0
only; nothing here imports the server's side.
"""
