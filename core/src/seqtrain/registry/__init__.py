"""The plugin host: finds plugins, decides their state, and keeps the register of components."""
