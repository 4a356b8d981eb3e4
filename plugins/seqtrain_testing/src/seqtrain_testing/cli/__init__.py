"""The commands `seqtrain plugins new` and `seqtrain plugins check`."""
