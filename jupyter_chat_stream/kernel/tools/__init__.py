"""Tools of a kernel: functions of the user, and the kernel's own variables and code."""
