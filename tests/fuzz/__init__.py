"""Malformed inputs for what reads foreign files; see ``python -m tests.fuzz --help``."""
