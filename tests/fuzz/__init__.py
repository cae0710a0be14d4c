"""Malformed inputs for everything that reads a foreign file; see ``python -m tests.fuzz --help``."""
