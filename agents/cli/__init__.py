"""Run the command line: `opwatch --help`."""


def main() -> None:
    """Run the command the arguments name; exit 0 ok, 1 no, 2 usage, 3 unreachable, 130 Ctrl-C."""
    from agents.cli.app import run  # noqa: PLC0415, RUF100 - kept out of the way of importers

    run()
