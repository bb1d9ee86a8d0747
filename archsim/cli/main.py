"""The command line. Commands are declared apart and loaded when they run, so that `archsim --help` answers at once."""

from __future__ import annotations

import gc
import io
import signal
import sys
import traceback
from typing import Any

import typer

from archsim.cli import design_commands, exploration_commands, listing_commands  # noqa: F401  # declares the commands
from archsim.cli.app import app
from archsim.core.errors import ArchsimError

_GARBAGE_THRESHOLDS = (50_000, 50, 100)
"""Importing what a command needs makes many objects and no garbage: at Python's own thresholds, looking for it there
takes a tenth of a short command's time."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells count."""


def main() -> None:
    """The `archsim` command: runs it and leaves with its exit code."""
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what schedulers send ends a command as Ctrl-C does
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without "µ" gets "?", not a traceback
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Exit code of the command line `arguments`: 0 success, 1 the run failed, 2 wrong input, 130 interrupted."""
    try:
        code = app(args=arguments, prog_name="archsim", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except OSError as error:
        if error.filename is None:
            _silence_stdout()
        return _report(error, debug="--debug" in arguments)
    except Exception as error:  # the border: whatever escapes becomes a message and an exit code
        return _report(error, debug="--debug" in arguments)
    return code if isinstance(code, int) else 0


def _report(error: Exception, *, debug: bool) -> int:
    from archsim.cli import output

    if debug:
        traceback.print_exception(error)
    if isinstance(error, ArchsimError):
        output.report_error(error)
        return error.exit_code
    if isinstance(error, _USAGE_ERROR):
        return _report_usage(error)
    if isinstance(error, OSError) and error.filename is not None:
        output.error(f"{error.filename}: {error.strerror}")
        return 1
    if isinstance(error, OSError) and error.strerror:
        output.error(f"cannot write the output: {error.strerror}")
        return 1
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    output.error(f"unexpected {what.splitlines()[0]}", None if debug else "run with --debug to see where")
    return 1


def _report_usage(error: Any) -> int:
    """A mistake in the command line itself, in our words for where to look."""
    from archsim.cli import output

    command = error.ctx.command_path if error.ctx is not None else "archsim"
    output.error(error.format_message(), f"see {command} --help")
    return 2


_USAGE_ERROR = typer.BadParameter.__mro__[1]
"""The parent of every mistake in a command line: typer exports the child only."""


def _silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain about the closed pipe."""
    import os

    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
