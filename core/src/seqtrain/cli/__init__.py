"""The command line: one file per group of commands, loaded when the command is typed."""
