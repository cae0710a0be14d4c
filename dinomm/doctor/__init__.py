"""A look at a run before it starts: settings, data, speed, memory, time, disk."""
