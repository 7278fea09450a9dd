"""Give every wire schema the same rules: frozen, strict, unknown fields ignored."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""What fits the rows and the databases that keep it."""


class Wire(BaseModel):
    """A message or a part of one.

    Unknown fields are ignored, so that producers may upgrade first; types are strict, so that
    a wrong one is refused where it arrives instead of being guessed at.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        allow_inf_nan=False,
        val_json_bytes="base64",
        ser_json_bytes="base64",
    )
