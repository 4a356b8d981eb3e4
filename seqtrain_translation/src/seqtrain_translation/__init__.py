"""The translation task for seqtrain."""
