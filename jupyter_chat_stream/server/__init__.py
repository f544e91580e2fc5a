"""HTTP and WebSocket: the edge that parses and serves, and decides nothing."""
