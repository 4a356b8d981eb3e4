"""Convolutional models for seqtrain."""
