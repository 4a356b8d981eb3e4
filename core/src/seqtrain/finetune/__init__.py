"""Starting from the weights of another run (`--init-from`)."""
