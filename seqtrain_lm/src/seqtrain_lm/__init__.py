"""The language-modelling task for seqtrain."""
