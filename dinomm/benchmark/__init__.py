"""Measurements that the docs quote, each against a stated alternative, in turns."""
