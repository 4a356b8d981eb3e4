"""The registry of plugins and components: discovery, filters, isolation and hooks."""
