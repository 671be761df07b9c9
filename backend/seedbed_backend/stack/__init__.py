"""Starts everything on one machine: what `seedbed up` and the tests stand on."""
