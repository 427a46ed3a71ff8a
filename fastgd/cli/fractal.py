"""`fastgd fractal`: which networks train, over two hyperparameters, and how fractal the boundary is."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fastgd.cli.files import out_folder, save_figure, settled, written_line
from fastgd.cli.options import picked
from fastgd.cli.show import Outcome, Table
from fastgd.cli.words import count
from fastgd.fractals import busiest

if TYPE_CHECKING:
    from fastgd.studies.trainability import Rectangle, TrainabilityMap, Variant

_SHARE = 16  # the busiest part of the boundary is one so many times smaller


@dataclass(frozen=True)
class MapOptions:
    """How a map is made."""

    steps: int
    seed: int
    dtype: Literal["float64", "float32"]
    threads: int | None

    def __post_init__(self) -> None:
        for name, low in (("steps", 1), ("seed", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"--{name} must be at least {low}, got {getattr(self, name)}")


def run(options: Namespace) -> Outcome:
    """Run `fastgd fractal`."""
    from fastgd.studies.trainability import VARIANTS  # noqa: PLC0415  (imports the engines)

    variant, how = VARIANTS[options.variant], picked(MapOptions, options)
    views = _views(variant, options.zoom, options.frames)
    if options.size < 2:
        raise ValueError(f"--size must be at least 2, got {options.size}")
    folder = out_folder(options.out, options.command)
    assert folder is not None
    maps = _mapped(variant, views, options.size, how)
    last = maps[-1]
    parts: list[str | Table] = [_setting_line(last), *_outcome_lines(maps)]
    if len(views) > 1 and not (last.finished and len(maps) == len(views)):
        whole = sum(found.finished for found in maps)
        parts.append(f"{whole} of {len(views)} frames are whole")
    parts += _write(folder, maps, moving=options.frames > 1)
    if options.save is not None:
        last.save(options.save)
        parts.append(written_line([options.save]))
    return Outcome(parts, last.finished and len(maps) == len(views))


def _views(variant: Variant, target: Sequence[float] | None, frames: int) -> list[Rectangle]:
    """The rectangles to map: one, or those of a zoom."""
    from fastgd.studies.trainability import zoom  # noqa: PLC0415

    if frames < 0:
        raise ValueError(f"--frames must be at least 0, got {frames}")
    if target is None and frames > 1:
        raise ValueError("--frames shows a zoom; say by --zoom X0 X1 Y0 Y1 where it ends")
    if target is None:
        return [variant.view]
    x0, x1, y0, y1 = target
    end = x0, x1, y0, y1
    return [end] if frames <= 1 else list(zoom(variant, variant.view, end, frames))


def _mapped(
    variant: Variant, views: list[Rectangle], size: int, how: MapOptions
) -> list[TrainabilityMap]:
    from fastgd.studies.trainability import trainability_maps  # noqa: PLC0415

    try:
        return trainability_maps(
            variant, views, size, steps=how.steps, seed=how.seed, dtype=how.dtype,
            n_threads=how.threads,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"--zoom: {error}") from error


def _setting_line(found: TrainabilityMap) -> str:
    axes = ", ".join(
        f"{name} {low:.8g} to {high:.8g}"
        for name, low, high in zip(
            found.variant.names, found.view[::2], found.view[1::2], strict=True
        )
    )
    s = found.settings
    return f"{found.variant.title}: {axes}; {count(s['steps'], 'step')}, {s['dtype']}, seed {s['seed']}"


def _outcome_lines(maps: Sequence[TrainabilityMap]) -> list[str]:
    last, runs, seconds = maps[-1], sum(m.runs for m in maps), sum(m.seconds for m in maps)
    share = last.converged.sum() / max(1, last.runs)
    lines = [
        f"{count(runs, 'training')} in {seconds:.3g} s ({runs / seconds:,.0f} a second); "
        f"{share:.1%} of those shown converge"
    ]
    dimension, part = last.dimension(), last.part(_SHARE, busiest)
    if dimension is not None:
        sizes = dimension.sizes
        lines.append(
            f"Box-counting dimension of the boundary: {dimension.dimension:.3f} ± {dimension.standard_error:.3f} "
            f"(boxes of {sizes[0]} to {sizes[-1]} cells)"
        )
    if part is not None:
        lines.append(f"Most of it is in --zoom {' '.join(f'{v:.10g}' for v in part)}")
    return lines


def _write(folder: Path, maps: Sequence[TrainabilityMap], *, moving: bool) -> list[str]:
    """The last map as a picture, and all whole ones as an animation."""
    from fastgd.studies.report import write_gif  # noqa: PLC0415
    from fastgd.studies.trainability import animation  # noqa: PLC0415

    written = [folder / "fractal.png"]
    save_figure(written[0], maps[-1].display(title=maps[-1].variant.title).plot)
    whole = [found for found in maps if found.finished]
    if moving and whole:
        written.append(folder / "zoom.gif")
        write_gif(animation(whole, "zoom"), written[-1])
    return settled(folder, "fractal", written)
