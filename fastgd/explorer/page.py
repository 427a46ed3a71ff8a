"""The page as one text: its parts joined, with everything that they need inside."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from fastgd.engines.javascript import source
from fastgd.explorer import methods, phases, picks, presets
from fastgd.explorer.gallery import SCENES
from fastgd.explorer.scene import Scene

#: What a descent needs: it runs wherever JavaScript does.
ENGINE = ("descent", "problems", "schedules", "csv", "state", "runs", "python")
#: What shows it, in a browser.
DISPLAY = ("draw", "contours", "view", "charts", "phase", "player", "controls", "events", "app")
_PLAIN = ("SGD", "Momentum", "NAG", "RAdam")  # rates that follow from the curvature


def page_text(first: str, own: Scene | None = None) -> str:
    """The page, opened on a problem.

    Parameters
    ----------
    first : str
        The problem that is shown first, by its key.
    own : Scene, optional
        A user's problem, beside those that every page has.
    """
    data = page_data(first, own)
    script = "\n".join([engine_script(data), *map(_part, (f"{name}.js" for name in DISPLAY))])
    script = f'(() => {{\n"use strict";\n{script}\n}})();'.replace("</script", "<\\/script")
    return _part("page.html").replace("$style", _part("style.css")).replace("$script", script)


def engine_script(data: dict[str, Any]) -> str:
    """The part of the script that needs no browser."""
    return "\n".join(
        [
            f"const DATA = {json.dumps(data, ensure_ascii=False, separators=(',', ':'))};",
            _part("numbers.js"),
            source.script(),
            picks.script(),
            *(_part(f"{name}.js") for name in ENGINE),
        ]
    )


def page_data(first: str = "line", own: Scene | None = None) -> dict[str, Any]:
    """All numbers of the page."""
    from fastgd import __version__  # noqa: PLC0415  (the package may still be loading at our import)

    problems = dict(_problems())
    if own is not None:
        problems = {own.key: described(own), **problems}
    return {
        "version": __version__,
        "first": first,
        "problems": problems,
        "optimizers": [methods.described(methods.made(name)) for name in methods.names()],
        "schedules": picks.described(),
        "presets": presets.described(),
        "plain": _PLAIN,
    }


@cache
def _problems() -> dict[str, dict[str, Any]]:
    return {key: described(make()) for key, make in SCENES.items()}


def described(scene: Scene) -> dict[str, Any]:
    """A scene with its rates and its phase diagrams."""
    return {
        **scene.described(),
        "rates": {name: scene.rate(name) for name in methods.names()},
        "phases": phases.phases(scene),
    }


@cache
def _part(name: str) -> str:
    return files("fastgd.explorer").joinpath("page", name).read_text(encoding="utf-8")
