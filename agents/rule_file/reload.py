"""Keep the rule file in effect: read it anew when it changes, and only if it is right.

A file with mistakes changes nothing: the rules before it stand, and log, metric and /readyz say
so.
"""

import stat
import time
from pathlib import Path

import structlog

from agents.rule_file.load import BadRuleFile, LoadedRules, parse, read_text
from agents.runtime import metrics
from agents.runtime.settings import Settings
from schemas.rule_file import RuleFile

log = structlog.get_logger()

LOOK_S = 1.0
_DEFAULT = Settings.model_fields["rule_file"].default
_NO_RULES = "version: 1\n"


class RuleSource:
    """The rule file of this worker."""

    def __init__(self, settings: Settings) -> None:
        """Read the file, if there is one; with mistakes in it there are no rules of ours yet."""
        self._path = Path(settings.rule_file)
        self._is_optional = settings.rule_file == _DEFAULT
        self._stamp: tuple[int, ...] | None = None
        self._seen = self._stamp_now()
        self._asked = True
        self._looked_s = 0.0
        self.text = _NO_RULES
        """Of the file in effect."""
        self.loaded = parse(_NO_RULES, self._path)
        self.mistakes: list[str] = []
        """Why the file as it is now is not in effect."""
        self.no_rules: str | None = None
        """Why there are no rules in the file, in a sentence: then the ones before it stand."""
        self.look()

    def ask(self) -> None:
        """Read the file at the next look, whether or not it seems to have changed: SIGHUP."""
        self._asked = True

    def look(self) -> None:
        """Read the file if it changed, and has stayed the same since the last look.

        It may be half written at first, which could be a right file with less in it.
        """
        now = time.monotonic()
        if now - self._looked_s < LOOK_S and not self._asked:
            return
        self._looked_s = now
        seen, self._seen = self._seen, self._stamp_now()
        stamp = self._seen
        if (stamp == self._stamp or stamp != seen) and not self._asked:
            return
        self._stamp, self._asked = stamp, False
        try:
            self._read()
        except BadRuleFile as bad:
            self._refuse(bad.sentences)
        except Exception as error:  # noqa: BLE001 - no file ends a worker, be it ever so odd
            self._refuse([f"cannot read the rule file {self._path}: {type(error).__name__}."])

    def _stamp_now(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> None:
        try:
            mode = self._path.stat().st_mode
        except FileNotFoundError:
            if self._is_optional and self.text == _NO_RULES:
                self.no_rules = f"there is no rule file {self._path}; OPWATCH_RULE_FILE says where."
                log.warning("there are no rules: no file is there", path=str(self._path.absolute()))
                return
            self._refuse([f"there is no rule file {self._path}; OPWATCH_RULE_FILE says where."])
            return
        except OSError as error:
            self._refuse([f"cannot read the rule file {self._path}: {error.strerror}."])
            return
        if not stat.S_ISREG(mode):
            self._refuse([f"the rule file {self._path} is no file."])  # a pipe would never end
            return
        text = read_text(self._path)
        loaded = parse(text, self._path)
        self.mistakes = []
        self.no_rules = None if loaded.rules.rules else f"the rule file {self._path} has no rules."
        metrics.rules_reload_failed.set(0)
        if loaded.hash != self.loaded.hash or self.text == _NO_RULES:
            log.info("rules read", path=str(self._path), hash=loaded.hash, rules=_count(loaded))
        self.loaded, self.text = loaded, text

    def _refuse(self, sentences: list[str]) -> None:
        self.mistakes = sentences
        metrics.rules_reload_failed.set(1)
        log.error(
            "the rule file is wrong, and the rules before it stand",
            mistakes=sentences,
            hash=self.loaded.hash,
        )


def _count(loaded: LoadedRules) -> int:
    rules: RuleFile = loaded.rules
    return sum(rule.enabled for rule in rules.rules)
