"""How processes on one database tell each other of commits."""
