"""Training criteria for seqtrain."""
