"""What the training loop is made of: progress, cadences, when to stop, and checks of every step."""
