"""Tools that a kernel executes: functions of the user, and access to the kernel itself."""
