"""Operating the system: dead letters and rebuilds, asked of the running consumers."""

COMMANDS = ("dead-letters", "rebuild")
