"""From a dataset's lengths to batches in a reproducible order."""
