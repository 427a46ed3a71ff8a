"""The rules as JavaScript, for pages that descend by themselves: the same lines of mathematics, and their bits."""
