"""Training of networks: settings in a TOML file, one loop, a task for each kind of network."""
