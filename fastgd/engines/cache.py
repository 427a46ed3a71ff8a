"""The folder for code that Numba compiled, which nobody else may write to: what lies there is executed.

Python loads bytecode from it, and Numba unpickles its index. So the folder, and all above it, must belong to the user
or to root and be closed to others; a sticky folder such as the temporary one may be above it. Where that is not so,
nothing is cached.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_WARNED: set[str] = set()


def cache_folder() -> Path:
    """The folder for code compiled by Numba, one per user and version.

    Returns
    -------
    Path
        Below ``XDG_CACHE_HOME``, on Windows ``LOCALAPPDATA``, on macOS ``~/Library/Caches``, else ``~/.cache``; without
        a home folder in one of the user's own below the temporary folder. It may not exist: it is created when needed,
        closed to others, and if that fails nothing is cached.

    Examples
    --------
    >>> from fastgd.engines.cache import cache_folder
    >>> cache_folder().parts[-2] == "fastgd"
    True
    """
    from fastgd import __version__  # noqa: PLC0415  (the package is still loading at our import)

    return Path(_root(), "fastgd", __version__)


def own_cache_folder(*others: str) -> Path | None:
    """The cache folder, made if it is missing; None, after a warning, where somebody else could write to it.

    Parameters
    ----------
    *others : str
        Further folders, named by variables of the environment, from which code would be loaded as well.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    folder = cache_folder()
    inside = folder / "__pycache__"  # where Python and Numba put what they compile
    for place in (folder, inside, *map(Path, others)):
        fault = fault_of(place)
        if fault is None:
            _make(place)
            fault = fault_of(place)  # somebody may have been quicker
        if fault is not None:
            text = f"compiled code is not cached: {fault}"
            if text not in _WARNED:
                _WARNED.add(text)
                warnings.warn(text, RuntimeWarning, stacklevel=2)
            return None
    return folder


def _make(folder: Path) -> None:
    """A folder and all above it, closed to others whatever the process allows them in new files."""
    for place in (*reversed(folder.parents), folder):
        if not place.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)


def _root() -> str:
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA" if os.name == "nt" else ""):
        folder = os.environ.get(variable, "") if variable else ""
        if os.path.isabs(folder):  # the standard says to ignore others
            return folder
    home = _home()
    if home is None:
        return os.path.join(tempfile.gettempdir(), f"fastgd-{_user()}")
    return os.path.join(home, *(("Library", "Caches") if sys.platform == "darwin" else (".cache",)))


def _home() -> str | None:
    """The home folder; an empty HOME, or one that is the whole disk, is none."""
    homes = [os.path.expanduser("~")]
    if os.name != "nt":
        import pwd  # noqa: PLC0415  (not on Windows)

        with suppress(KeyError):
            homes.append(pwd.getpwuid(_user()).pw_dir)
    return next((home for home in homes if os.path.isabs(home) and home.strip("/")), None)


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


# --- who can write ------------------------------------------------------------------------------------


def fault_of(folder: str | os.PathLike[str]) -> str | None:
    """Why somebody else could put a file into a folder, or None; one that is missing is judged by those above it.

    Windows is not asked: its folders of a user are closed by their access lists.

    Examples
    --------
    >>> import os
    >>> from fastgd.engines.cache import fault_of
    >>> fault_of(os.sep) is None
    True
    """
    if os.name == "nt":
        return None
    for start in dict.fromkeys((os.path.abspath(folder), os.path.realpath(folder))):
        for path in _upwards(start):
            try:
                found = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if found.st_uid not in (0, _user()):
                return f"{path} belongs to another user"
            if _open_to_others(found) and (path == start or not found.st_mode & stat.S_ISVTX):
                return f"{path} can be written by others"
    return None


def _upwards(path: str) -> Iterator[str]:
    while True:
        yield path
        above = os.path.dirname(path)
        if above == path:
            return
        path = above


def _open_to_others(found: os.stat_result) -> bool:
    if stat.S_ISLNK(found.st_mode):  # what counts is who can replace it
        return False
    if found.st_mode & stat.S_IWOTH:
        return True
    return bool(found.st_mode & stat.S_IWGRP) and not _is_alone_in(found.st_gid)


def _is_alone_in(group: int) -> bool:
    """Whether the group is the user's private one, as many systems make it."""
    import grp  # noqa: PLC0415  (not on Windows)
    import pwd  # noqa: PLC0415

    try:
        user, known = pwd.getpwuid(_user()), grp.getgrgid(group)
    except KeyError:
        return False
    alone = set(known.gr_mem) <= {user.pw_name}
    return alone and group == user.pw_gid and known.gr_name == user.pw_name
