"""Configuration: options, sections, and the way from YAML and arguments to frozen dataclasses."""
