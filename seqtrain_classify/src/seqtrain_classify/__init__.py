"""The task `classify`: labelled text in; labels, probabilities and numbers out."""
