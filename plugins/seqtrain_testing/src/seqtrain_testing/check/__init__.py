"""The rules that a plugin should keep, and what is found when they are applied."""
