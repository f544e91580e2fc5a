"""The kernel's side: how code in a kernel or a script speaks to the chat's server."""
