"""The command that the others belong to. It imports only the one that is called."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Any, Final

import click

COMMANDS: Final = {
    "serve": "Serve any ASGI app in binary mode.",
    "call": "Make a request in binary mode, and show the answer.",
    "inspect": "Show a msgpack body as a tree.",
    "bench": "Compare JSON with binary mode on an endpoint.",
}
"""What each command does; its module has its name and holds it as ``command``."""


INTERRUPTED: Final = 130
"""The exit code after Ctrl-C, as shells have it: 128, and the number of the signal."""


class _Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        try:
            module = import_module(f"binary_middleware.cli.{cmd_name}")
        except ImportError as exc:  # of a package that is not installed
            raise click.ClickException(str(exc)) from exc
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click's own exit code for it is that of a failure
            click.echo("\nInterrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except MemoryError as exc:
            if ctx.invoked_subcommand == "serve":  # of the app, whose traceback helps
                raise
            raise click.ClickException("there is not enough memory") from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="binary-middleware")
def main() -> None:
    """Binary mode from the shell: arrays and bytes as msgpack."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not every terminal has every character
            stream.reconfigure(errors="backslashreplace")
