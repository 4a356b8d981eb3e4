"""Optimizers, learning-rate schedulers and weight averaging for seqtrain."""
