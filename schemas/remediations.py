"""Describe a request to remedy a bad analysis, for whoever can, on `remediations`."""

from typing import Literal

from pydantic import Field

from schemas.analyses import Identity, Share
from schemas.base import Wire
from schemas.operations import Name, OwnMs
from schemas.quality_scores import Action, Finding


class Remediation(Wire):
    """A request on `remediations`. The record's key is the service.

    Who handles it publishes the repeated analysis with `remediates` set to `analysis`.
    """

    version: Literal[1] = 1
    id: str = Field(description="The same for a repeat of this request.")
    analysis: Identity
    input_hash: Identity
    service: Name
    operation: Name
    platform: Name
    model: Name
    action: Action
    attempt: int = Field(ge=1, description="Of this input; the limit is configured.")
    overall: Share
    findings: list[Finding] = Field(description="The worst ones.")
    requested_at: OwnMs
