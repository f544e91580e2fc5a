"""Those who answer: each turns a prompt into a stream of chunks."""
