"""Measures on their way: added up, written to metrics.jsonl, shown, and passed to trackers."""
