"""What whoever runs the system sees of it: settings, logs, traces, commands."""
