"""What a plugin is tested with."""
