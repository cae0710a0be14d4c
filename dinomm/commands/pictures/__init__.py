"""The pictures of ``tools/visualize.py``, a module each."""
