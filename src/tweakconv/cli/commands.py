"""The commands, each loaded when it is used, and their errors as one line and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

import tweakconv

_COMMANDS: Final = ("size", "run", "kernels", "animate", "plot", "explore", "bench")


def run(arguments: Sequence[str] | None) -> int:
    """Run one command: 0 where it went well, 2 after one line on stderr where it did not."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a file name may hold what the terminal cannot show
    try:
        status = main_command.main(arguments, prog_name="tweakconv", standalone_mode=False)
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.UsageError as problem:
        command = problem.ctx.command_path if problem.ctx else "tweakconv"
        return _refuse(f"{problem.format_message().rstrip('.')} (see {command} --help)")
    except (click.ClickException, ValueError, TypeError, OverflowError) as problem:
        return _refuse(str(problem))
    except MemoryError:
        return _refuse("this takes more memory than there is")
    return status if isinstance(status, int) else 0


def _refuse(message: str) -> int:
    click.echo(f"tweakconv: {' '.join(message.split())}", err=True)
    return 2


class _LazyGroup(click.Group):
    """A group whose commands are imported by name, so that `size` need not wait for the image libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"tweakconv.cli.{cmd_name}").command
        return command


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command has a --help with examples.",
)
@click.version_option(tweakconv.__version__, message="tweakconv %(version)s")
@click.pass_context
def main_command(context: click.Context) -> None:
    """Convolutions you can tweak: exact sizes, and filters for image files."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
