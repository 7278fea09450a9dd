"""Take the rule file over when it changes, and keep the one in force when it is wrong."""

import os
import signal
from asyncio import get_running_loop
from pathlib import Path

import structlog

from agents.rule_file import BadRuleFile, LoadedRules, load

log = structlog.get_logger()

LOOK_S = 1.0

_Stamp = tuple[int, int, int]


class RuleWatch:
    """Looks whether the file changed, by its time, size and place; at SIGHUP in any case."""

    def __init__(self, path: str) -> None:
        """Load the file.

        Raises:
            BadRuleFile: it is wrong.
        """
        self._path = Path(path)
        self._stamp = self._looked = _stamp(self._path)
        self._asked = False
        self.loaded = load(self._path)
        """What is in force."""
        get_running_loop().add_signal_handler(signal.SIGHUP, self.ask)

    def ask(self) -> None:
        """Load the file at the next look, whether or not it seems to have changed."""
        self._asked = True

    def look(self) -> LoadedRules | None:
        """Return the rules if others are in force now. Call it every LOOK_S.

        A file is read once it has stayed the same from one look to the next: it may be half
        written at first.
        """
        looked, self._looked = self._looked, _stamp(self._path)
        settled = looked == self._looked != self._stamp
        if not settled and not self._asked:
            return None
        self._asked = False
        self._stamp = self._looked
        try:
            loaded = load(self._path)
        except BadRuleFile as error:
            why = error.sentences
            log.error("the rule file is wrong, the one before stays in force", mistakes=why)  # noqa: TRY400 - the operator's mistake, not ours
            return None
        if loaded.hash == self.loaded.hash:
            return None
        log.info("another rule file is in force", path=str(self._path), hash=loaded.hash)
        self.loaded = loaded
        return loaded


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - of what a link points to: Kubernetes swaps it
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
