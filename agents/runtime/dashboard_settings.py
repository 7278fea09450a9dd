"""Define the settings of the dashboard; agents/runtime/settings.py has the others."""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from streams.dashboard.targets import DEFAULT, parse_claim, parse_targets

#: As short as a signature's secret may be.
_MIN_TOKEN = 16
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:\d{1,5})?")


class DashboardSettings(BaseSettings):
    """Where the dashboard is served, who may see it and act, and what figures are judged by."""

    dashboard_host: str = Field(
        "127.0.0.1",
        description="Address of the dashboard. Any other than one of this machine alone needs a"
        " token to see it: OPWATCH_DASHBOARD_READ_TOKEN or OPWATCH_DASHBOARD_TOKEN.",
    )
    dashboard_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        9470, description="Port of the dashboard; 0 takes a free port, which the log names."
    )
    dashboard_token: SecretStr | None = Field(
        None,
        description="Who has it may see the dashboard, and acknowledge and silence there; without"
        " it nobody may act. At least 16 characters.",
    )
    dashboard_read_token: SecretStr | None = Field(
        None,
        description="Who has it may see the dashboard and its API; with it nobody else may, also"
        " on this machine. At least 16 characters.",
    )
    dashboard_hosts: str = Field(
        "",
        description="Names under which the dashboard is reached, such as those of a proxy:"
        " opwatch.example.com. Addresses and localhost need none.",
    )
    dashboard_origins: str = Field(
        "",
        description="Origins whose pages may read the API: https://status.example.com.",
    )
    dashboard_targets: str = Field(
        DEFAULT,
        description="What figures should be, and past what they are far off: per cent, durations, a"
        " score.",
    )
    dashboard_claim: str = Field(
        "",
        description="The success rate that is claimed, in per cent, shown beside the truth: 96-99.",
    )
    dashboard_series: Annotated[int, Field(ge=10, le=100_000)] = Field(
        2_000,
        description="Maximum of series that the dashboard remembers; further ones are left out.",
    )
    dashboard_back_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = Field(
        86_400.0,
        description="How far back the dashboard reads aggregates from Kafka when it starts.",
    )

    @field_validator("dashboard_token", "dashboard_read_token")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if len(value) < _MIN_TOKEN:
            message = f"has fewer than {_MIN_TOKEN} characters"
            raise ValueError(message)
        if not value.get_secret_value().isascii() or " " in value.get_secret_value():
            message = "has characters that no header may have: use letters and digits"
            raise ValueError(message)
        return value

    @field_validator("dashboard_read_token")
    @classmethod
    def _differs(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        token = info.data.get("dashboard_token")
        if value is not None and token is not None and value == token:
            message = "is the same as OPWATCH_DASHBOARD_TOKEN: who may see could act, too"
            raise ValueError(message)
        return value

    @field_validator("dashboard_hosts")
    @classmethod
    def _names(cls, value: str) -> str:
        return _of_form(_HOST, "host such as opwatch.example.com", value)

    @field_validator("dashboard_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        return _of_form(_ORIGIN, "origin such as https://status.example.com", value)

    @field_validator("dashboard_targets")
    @classmethod
    def _targets(cls, value: str) -> str:
        parse_targets(value)
        return value

    @field_validator("dashboard_claim")
    @classmethod
    def _claim(cls, value: str) -> str:
        parse_claim(value)
        return value


def listed(text: str) -> list[str]:
    """Return the entries of a list that is written with spaces or commas."""
    return text.replace(",", " ").split()


def _of_form(form: re.Pattern[str], what: str, text: str) -> str:
    for entry in listed(text):
        if form.fullmatch(entry) is None:
            message = f"{entry!r} is no {what}"
            raise ValueError(message)
    return text


def is_of_this_machine(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
