"""seqtrain: train sequence models from a small core and installable plugins."""
