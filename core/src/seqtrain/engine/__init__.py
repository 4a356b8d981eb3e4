"""What knows device, precision and ranks; nothing above this package does."""
