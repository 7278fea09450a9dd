"""The command line: `opwatch --help`."""


def main() -> None:
    """Run the command that the arguments name, and exit (codes: `opwatch --help`)."""
    from agents.cli.app import run  # noqa: PLC0415, RUF100 - so that importers stay light

    run()
