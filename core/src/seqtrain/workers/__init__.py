"""Several processes that train one model: found or started, joined, watched, and how they talk."""
