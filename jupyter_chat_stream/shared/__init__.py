"""What both sides share: values without I/O, errors, settings, logs and files."""
