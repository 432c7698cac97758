"""``tweakconv bench``: the board against the other libraries that are installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from tweakconv.bench import run_board
from tweakconv.bench.classes import CLASSES
from tweakconv.bench.geometries import in_batches
from tweakconv.bench.lines import select_lines
from tweakconv.bench.machine import best_cpus
from tweakconv.bench.ours import LAYOUTS
from tweakconv.bench.peers import PEERS
from tweakconv.bench.publish import FILES, check_can_publish, publish
from tweakconv.bench.stored import read_boards

_EXAMPLES = """
\b
Examples:
  tweakconv bench                                every line, every library
  tweakconv bench --class images --peer opencv   some lines, one library
  tweakconv bench --only "stride 2" --only VGG --batch 8 --threads 2
  tweakconv bench --full --write docs            all there is, for readers
"""

_FULL_BATCHES, _FULL_THREADS = (1, 8), (1, 2)


@click.command(name="bench", epilog=_EXAMPLES, short_help="Compare speed with other libraries.")
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="CLASS",
    type=click.Choice([known.key for known in CLASSES]),
    help=f"Of lines ({', '.join(known.key for known in CLASSES)}); repeatable.",
)
@click.option("--only", "--line", "lines", multiple=True, help="Part of a line's or network's name; repeatable.")
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="LIBRARY",
    type=click.Choice([peer.key for peer in PEERS]),
    help=f"One to compare with ({', '.join(peer.key for peer in PEERS)}); repeatable.",
)
@click.option("--batch", "batches", multiple=True, type=click.IntRange(min=1), help="Images in a call [1]; repeatable.")
@click.option("--threads", multiple=True, type=click.IntRange(min=1), help="Threads for each [1]; repeatable.")
@click.option(
    "--layout",
    "--data-format",
    "layouts",
    multiple=True,
    metavar="FORMAT",
    type=click.Choice([*LAYOUTS]),
    help=f"Of our arrays ({' or '.join(LAYOUTS)}) [both]; repeatable, and the first is the one compared.",
)
@click.option("--full", is_flag=True, help="Batch 1 and 8, 1 and 2 threads, where not said otherwise.")
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True, help="Turns for each.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="A file for the findings.")
@click.option(
    "--write", "folder", type=click.Path(path_type=Path), help=f"A folder for the findings as {', '.join(FILES)}."
)
@click.option(
    "--from",
    "found",
    multiple=True,
    metavar="JSON",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure nothing; write what was found before. Repeatable.",
)
@click.option("--force", is_flag=True, help="Replace files that exist already.")
def command(
    *,
    classes: tuple[str, ...],
    lines: tuple[str, ...],
    peers: tuple[str, ...],
    batches: tuple[int, ...],
    threads: tuple[int, ...],
    layouts: tuple[str, ...],
    full: bool,
    rounds: int,
    json_path: Path | None,
    folder: Path | None,
    found: tuple[Path, ...],
    force: bool,
) -> None:
    """Compare with PyTorch, ONNX Runtime, OpenVINO, ncnn, MNN, OpenCV and SciPy, as installed.

    Every line with every library takes about a quarter of an hour, a line of middling size ten seconds; --full takes
    an hour and a half.
    """
    batches = batches or (_FULL_BATCHES if full else (1,))
    threads = threads or (_FULL_THREADS[: len(best_cpus())] if full else (1,))
    _check_lines(lines, classes, batches)
    if folder is not None:
        _check_folder(folder, [*found], force)
    if json_path is not None:
        _check_writable(json_path, force)
    if found:
        if folder is None:
            raise click.UsageError("--from needs --write FOLDER, where the page and the charts go")
        publish(read_boards(found), folder)
        return
    try:
        run_board(
            list(lines) or None,
            classes=list(classes) or None,
            peers=list(peers) or None,
            rounds=rounds,
            threads=threads,
            batches=batches,
            data_formats=layouts or tuple(LAYOUTS),
            json_path=json_path,
            folder=folder,
            echo=click.echo,
        )
    except RuntimeError as problem:  # the measuring process died; it says where
        raise click.ClickException(str(problem)) from None


def _check_lines(lines: Sequence[str], classes: Sequence[str], batches: Sequence[int]) -> None:
    for line in lines:
        try:
            select_lines([line], list(classes) or None)
        except ValueError as problem:
            raise click.BadParameter(str(problem).removeprefix("lines: "), param_hint="--only") from None
    try:
        in_batches(select_lines(list(lines) or None, list(classes) or None), batches)
    except ValueError as problem:
        raise click.BadParameter(str(problem).removeprefix("batch: "), param_hint="--batch") from None


def _check_folder(folder: Path, read: Sequence[Path], force: bool) -> None:
    """Refuse before the minutes that the board takes, not after."""
    if not folder.is_dir():
        raise click.UsageError(f"--write {folder}: is not a folder that exists")
    try:
        check_can_publish(folder)
    except ModuleNotFoundError as missing:
        raise click.UsageError(f"--write: {missing}; run: pip install matplotlib") from None
    there = [name for name in FILES if (folder / name).exists() and folder / name not in read]
    if there and not force:
        raise click.UsageError(f"--write {folder}: has {', '.join(there)} already; replace it with --force")


def _check_writable(path: Path, force: bool) -> None:
    if not path.parent.is_dir():
        raise click.UsageError(f"--json {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise click.UsageError(f"--json {path}: is a folder; name a file in it")
    if path.exists() and not force:
        raise click.UsageError(f"--json {path}: exists already; choose another name, or replace it with --force")
