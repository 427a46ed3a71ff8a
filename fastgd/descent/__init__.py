"""Descents of problems: one run (`minimize`), and the requests and axes that it shares with sweeps."""
