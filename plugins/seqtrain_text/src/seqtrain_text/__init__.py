"""Tokenizers, vocabularies and memory-mapped token stores for seqtrain."""
