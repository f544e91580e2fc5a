"""Tables: the text by which a model knows a frame or an array, and the file that keeps its rows."""
