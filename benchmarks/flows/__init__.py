"""Whole runs as users call them, compared with other libraries that make the same steps."""
