"""An interactive page about descents: `explore`."""

from fastgd.explorer.explorer import Explorer, explore

__all__ = ["Explorer", "explore"]
