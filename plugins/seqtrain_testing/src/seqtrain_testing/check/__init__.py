"""What helps the authors of plugins: templates to begin with, and rules to check before publishing."""
