"""Name an alert of the records, and where its rule routes to."""

from tests.unit.streams.story_samples import breach

FINGERPRINT = breach().fingerprint
ROUTING = {"channels": ["slack_engineering", "engineering_email"], "cooldown_ms": 600_000}
HOUR_MS = 3_600_000
