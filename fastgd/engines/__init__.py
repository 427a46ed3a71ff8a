"""From a rule's source to compiled loops: one small module per backend, one registry, the thread team."""
