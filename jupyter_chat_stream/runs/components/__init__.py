"""Building components: writing a cell with a model, and trying it in a kernel of its own."""
