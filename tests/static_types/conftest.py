"""Scripts for type checkers, of which one is wrong on purpose: nothing to collect."""

collect_ignore = ["good.py", "bad.py"]
