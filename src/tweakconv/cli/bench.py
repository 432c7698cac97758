"""``tweakconv bench``: the board against the other libraries that are installed."""

from __future__ import annotations

from pathlib import Path

import click

from tweakconv.bench import run_board
from tweakconv.bench.geometries import select_lines
from tweakconv.bench.peers import PEERS

_EXAMPLES = """
\b
Examples:
  tweakconv bench                               every line, every library
  tweakconv bench --line image --peer opencv    some lines, one library
  tweakconv bench --line "stride 2" --threads 2
"""


@click.command(name="bench", epilog=_EXAMPLES, short_help="Compare speed with other libraries.")
@click.option("--line", "lines", multiple=True, help="A kind of lines or a part of their names; repeatable.")
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="LIBRARY",
    type=click.Choice([peer.key for peer in PEERS]),
    help=f"One to compare with ({', '.join(peer.key for peer in PEERS)}); repeatable.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="Turns for each.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads for each.")
@click.option("--data-format", type=click.Choice(["channels_last", "channels_first"]), help="Of our arrays.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="A file for the findings.")
@click.option("--force", is_flag=True, help="Replace the JSON file where it exists already.")
def command(
    *,
    lines: tuple[str, ...],
    peers: tuple[str, ...],
    rounds: int,
    threads: int,
    data_format: str | None,
    json_path: Path | None,
    force: bool,
) -> None:
    """Compare with PyTorch, ONNX Runtime, OpenVINO, ncnn, OpenCV and SciPy, whichever are installed.

    Every line with every library takes about four minutes, one line about fifteen seconds.
    """
    for line in lines:
        try:
            select_lines([line])
        except ValueError as problem:
            raise click.BadParameter(str(problem).removeprefix("lines: "), param_hint="--line") from None
    if json_path is not None:
        _check_writable(json_path, force)
    try:
        run_board(
            list(lines) or None,
            peers=list(peers) or None,
            rounds=rounds,
            threads=threads,
            data_format=data_format,
            json_path=json_path,
            echo=click.echo,
        )
    except RuntimeError as problem:  # the measuring process died; it says where
        raise click.ClickException(str(problem)) from None


def _check_writable(path: Path, force: bool) -> None:
    """Refuse before the minutes that the board takes, not after."""
    if not path.parent.is_dir():
        raise click.UsageError(f"--json {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise click.UsageError(f"--json {path}: is a folder; name a file in it")
    if path.exists() and not force:
        raise click.UsageError(f"--json {path}: exists already; choose another name, or replace it with --force")
