"""``tweakconv explore``: the explorer in a browser."""

from __future__ import annotations

import click

from tweakconv.view.server.running import DEFAULT_PORT, serve

_EXAMPLES = """
\b
Examples:
  tweakconv explore                     opens the page in a browser
  tweakconv explore --no-browser --port 9000
  tweakconv explore --host 0.0.0.0 --allow-host lab.example.org
\b
The page needs no internet. It is served to this machine alone unless --host
says otherwise; pictures that are opened in it are kept in memory, never on
disk. Ctrl-C ends it.
"""


@click.command(name="explore", epilog=_EXAMPLES, short_help="See convolutions move, in a browser.")
@click.option("--port", type=click.IntRange(0, 65535), help=f"[default: {DEFAULT_PORT}, or the next one that is free]")
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen; 0.0.0.0 lets other machines in.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A name it may be asked for under, besides localhost and addresses; repeatable.",
)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Whether to open the page.")
def command(*, port: int | None, host: str, names: tuple[str, ...], browser: bool) -> None:
    """Serve the explorer: one layer step by step, filters on pictures, many layers, and exercises."""
    serve(host, port, names=names, open_browser=browser, echo=click.echo)
