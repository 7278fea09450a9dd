"""Run the command line: `python -m agents.cli --help`."""

from agents.cli import main

main()
