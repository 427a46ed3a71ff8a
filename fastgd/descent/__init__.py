"""Descents of problems: one run (`minimize`), and what a request for many has in common with it."""
