"""The group of commands. Only the command that is called is imported."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Any, Final

import click

COMMANDS: Final = {
    "serve": "Serve any ASGI app in binary mode.",
    "call": "Make a request in binary mode and show the response.",
    "inspect": "Show a msgpack body as a tree.",
    "bench": "Compare JSON with binary mode on an endpoint.",
}
"""The short help of each command. Its module is its name with an underscore in front."""

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C, as in shells: 128 and the number of the signal."""


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            ClickException: A package that it needs is not installed.
        """
        if cmd_name not in COMMANDS:
            return None
        try:
            module = import_module(f"binary_middleware.cli._{cmd_name}")
        except ModuleNotFoundError as exc:
            raise click.ClickException(
                f"{cmd_name} needs {exc.name}: pip install 'binary-middleware[cli]'"
            ) from exc
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn Ctrl-C and lack of memory into exit codes."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click would exit with 1, like a failed call
            click.echo("\nInterrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except MemoryError as exc:
            if ctx.invoked_subcommand == "serve":  # the traceback of the app helps
                raise
            raise click.ClickException("there is not enough memory") from exc


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="binary-middleware")
def main() -> None:
    """Binary mode from the shell: arrays and bytes as msgpack."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may lack some characters
            stream.reconfigure(errors="backslashreplace")
