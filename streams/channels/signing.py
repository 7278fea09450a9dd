"""Sign a webhook by the Standard Webhooks 1.0 convention.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"


def signature(keys: Iterable[str], name: str, timestamp_s: int, body: bytes) -> str:
    """Return `v1,…` for each key, separated by spaces: two while a key is rotated."""
    signed = f"{name}.{timestamp_s}.".encode() + body
    return " ".join(f"v1,{_mac(key, signed)}" for key in keys)


def _mac(key: str, signed: bytes) -> str:
    raw = base64.b64decode(key.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(raw, signed, hashlib.sha256).digest()).decode()
