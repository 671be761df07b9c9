"""The built-in techniques, one declaration a file."""
