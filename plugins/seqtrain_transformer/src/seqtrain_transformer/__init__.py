"""Transformer models for seqtrain."""
