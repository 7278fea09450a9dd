"""Check the settings and the rule file, and show where each setting comes from, secrets masked."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agents.cli.printing import console, echo
from agents.cli.rules import loaded, refuse_channels, summed_up
from agents.cli.running import NO, Sentence

if TYPE_CHECKING:
    from agents.runtime.settings import Settings
    from schemas.channels import Channel
    from schemas.rule_file import RuleFile

HELP = """Look at the settings and where they come from.

The environment (OPWATCH_…) first, then .env, then the defaults.

\b
Examples:
  opwatch config check
  OPWATCH_PARTITIONS=0 opwatch config check
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.command()
def check() -> None:
    """Check all settings and the rule file, and show where each setting comes from.

    Exit 1 with every mistake at once. A channel whose secret is missing here is a warning, no
    mistake: a file is checked where no secrets are, too.

    Examples:
      opwatch config check
      OPWATCH_PARTITIONS=0 OPWATCH_LOG_LEVEL=loud opwatch config check
    """
    from pydantic import ValidationError

    from agents.cli.settings_view import source_of, unknown_variables
    from agents.runtime.settings import Settings, mistakes

    for name, meant in unknown_variables(secrets=_secrets()):
        hint = f"; did you mean {meant}?" if meant else ""
        echo(f"opwatch: {name} is no setting and has no effect{hint}", err=True)
    try:
        chosen = Settings()
    except ValidationError as error:
        raise Sentence("\n".join(mistakes(error)), NO) from None
    _print(chosen)
    if source_of("rule_file") == "default" and not Path(chosen.rule_file).exists():
        echo(f"\nno rules: there is no {chosen.rule_file}, nor an OPWATCH_RULE_FILE")
        return
    rules = loaded(Path(chosen.rule_file))
    refuse_channels(rules, chosen)
    echo(f"\n{summed_up(rules)}")
    _warn_of_channels(rules.rules, chosen)


def _secrets() -> set[str]:
    """Return the variables that the rule file's channels name; none if it is wrong."""
    from agents.channels.registry import variables

    try:
        return variables(loaded(None).rules.channels)
    except Sentence:  # said once the settings are
        return set()


def _warn_of_channels(rules: "RuleFile", chosen: "Settings") -> None:
    from agents.channels.registry import guard, missing_secrets
    from agents.channels.secrets import Secrets

    enabled = [one for one in rules.channels if one.enabled]
    secrets = Secrets(allowed=chosen.channel_variables)
    for name, sentence in missing_secrets(enabled, secrets, guard(chosen)).items():
        echo(f"opwatch: warning: the channel {name} cannot be used: {sentence}", err=True)
    for channel in rules.channels:
        if channel.template is not None and (why := _template_fails(rules, channel)):
            said = f"the template of the channel {channel.name} fails, and our own words are sent"
            echo(f"opwatch: warning: {said}: {why}", err=True)


def _template_fails(rules: "RuleFile", channel: "Channel") -> str | None:
    """Return why a channel's template does not render what opens or resolves, None if it does."""
    from agents.cli.channel_sample import message, sample
    from streams.channels.templates import TemplateFailed
    from streams.channels.wording import by_template

    now_ms = int(time.time() * 1000)
    breach = sample(rules, channel.name, now_ms)
    try:
        for event in ("opened", "resolved"):
            by_template(message(breach, event, now_ms), channel.template or "")
    except TemplateFailed as failure:
        return str(failure)
    return None


@app.command()
def table() -> None:
    """Print the settings as a Markdown page: docs/settings.md.

    Examples:
      opwatch config table > docs/settings.md
    """
    from agents.cli.settings_view import markdown

    echo(markdown(), nl=False)


def _print(chosen: "Settings") -> None:
    from rich.table import Table
    from rich.text import Text

    from agents.cli.settings_view import source_of, variable
    from agents.runtime.masking import masked_value

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("variable", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", no_wrap=True)
    for field in type(chosen).model_fields:
        value = getattr(chosen, field)
        source = source_of(field)
        table.add_row(
            variable(field),
            Text("–" if value is None else masked_value(str(value))),
            Text(source, style="dim" if source == "default" else ""),
        )
    console().print(table)
