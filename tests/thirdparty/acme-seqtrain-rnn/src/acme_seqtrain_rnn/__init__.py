"""A recurrent translation model, the focal loss and two tools for seqtrain."""
