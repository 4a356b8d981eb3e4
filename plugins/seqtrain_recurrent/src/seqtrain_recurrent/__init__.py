"""Recurrent models for seqtrain."""
