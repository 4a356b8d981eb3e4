"""The elastic agent that starts, watches and restarts the workers of one host."""
