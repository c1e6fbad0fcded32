"""The ``clickport`` command and its subcommands."""

import io
import os
import signal
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from conformance import __version__
from conformance.results.verdict import Exit

__all__ = ["main"]


COMMANDS = {
    "check": ("conformance.cli.check:check", "Check a tracker, a server, or both."),
    "fuzz": ("conformance.cli.fuzz:fuzz", "Search for calls and requests that break a requirement."),
    "load": ("conformance.cli.load:load", "Load a server: is every event stored, once, and how fast?"),
    "plan": ("conformance.cli.plan:plan_", "Check a site's events against a tracking plan."),
    "audit": ("conformance.cli.audit:audit_", "Judge the events in a HAR file."),
    "watch": ("conformance.cli.watch:watch", "Show a site's events as they happen."),
    "serve": ("conformance.cli.serve:serve", "Run the reference server (--help: its options)."),
    "cluster": ("conformance.cli.cluster:cluster_", "Run the reference server on several nodes and shards."),
    "demo": ("conformance.cli.serve:demo", "Run a server with a year of data, to try the dashboard."),
    "import": ("conformance.cli.serve:import_", "Import events of the past into a running server."),
    "list": ("conformance.cli.listing:list_", "List requirements and their cases."),
    "docs": ("conformance.cli.docs:docs", "Show a page of the documentation."),
    "explain": ("conformance.cli.explain:explain", "Explain a requirement or a case."),
    "doctor": ("conformance.cli.doctor:doctor", "Say whether this machine can run the checks."),
    "selftest": ("conformance.cli.selftest:selftest_", "Test the suite: does each check notice its fault?"),
    "site": ("conformance.cli.site:site", "Make static pages of results from run records."),
    "baseline": ("conformance.cli.baseline:baseline_", "Write known failures down."),
}
"""Place and short help of each command, in the order of ``--help``; a command is imported when it is used."""


_PIPE_CLOSED = 141  # By the shells' convention: 128 + SIGPIPE, which Windows does not have.


class _Command(click.Group):
    """A group that reports an unexpected exception as a fault of the suite, never as a violation."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, short_help) for name, (_, short_help) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:  # The reader of the pipe has closed it: `clickport list | head`.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(_PIPE_CLOSED)
        except Exception:
            from conformance.reports.text import harmless  # noqa: PLC0415 - --help needs no reports
            from conformance.results.redaction import masked  # noqa: PLC0415

            click.echo(harmless(masked(traceback.format_exc())), err=True)
            click.echo("fault of the suite itself: please report it, with the lines above", err=True)
            sys.exit(Exit.SUITE_FAULT)


def _print_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:  # noqa: ARG001
    if wanted:
        from conformance.protocol.requirement_sets import current_set  # noqa: PLC0415 - reads a file

        click.echo(f"clickport, version {__version__}, requirements {current_set()}")
        context.exit()


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    callback=_print_version,
    expose_value=False,
    is_eager=True,
    help="Show the version and its requirement set, and exit.",
)
def main() -> None:
    """Conformance tests for the Clickport custom-events protocol.

    Checks trackers and ingest servers over the wire: the calls of clickport.track(), the requests that reach
    the network although the page is left, and the stored rows.
    """
    # A console whose encoding lacks a character shows its code point.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # SIGTERM, from CI or a supervisor, and a terminal that is closed clean up like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none.
    if hangup and signal.getsignal(hangup) != signal.SIG_IGN:  # `nohup` ignores it.
        signal.signal(hangup, signal.default_int_handler)
