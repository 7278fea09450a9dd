"""Describe the rule file as a whole: defaults, channels and rules."""

from typing import Literal

from pydantic import Field

from schemas.channels import Channel, Defaults
from schemas.rules import Configured, Rule


class RuleFile(Configured):
    """What good is, and who is told when it is not."""

    version: Literal[1] = 1
    defaults: Defaults = Field(default_factory=Defaults)
    channels: list[Channel] = Field(default_factory=list)
    rules: list[Rule] = Field(default_factory=list)
