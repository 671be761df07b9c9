"""The web process's routes, one blueprint a file."""
