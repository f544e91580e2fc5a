"""The commands of ``jupyter chat-stream``, one module each."""
