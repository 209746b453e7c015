"""What ends a command with one line on stderr."""

from __future__ import annotations

import click


class Mistake(click.ClickException):
    """What was asked for cannot be done. The exit code is that of wrong usage."""

    exit_code = 2


class CallFailed(click.ClickException):
    """A server could not be reached, or did not give what it was asked for."""

    exit_code = 1
