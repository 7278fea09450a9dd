"""Keep the rule file in effect: read it anew when it changes, and only if it is right.

A file with mistakes changes nothing: the rules before it stand, and log, metric and /readyz say
so.
"""

import asyncio
import stat
import time
from pathlib import Path

import structlog

from agents.rule_file.load import BadRuleFile, LoadedRules, parse, read_text
from agents.runtime import metrics
from agents.runtime.settings import Settings

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
        self._seen = self._stamp = self._stamp_now()
        self._asked = False
        self._looked_s = time.monotonic()
        self.text = _NO_RULES
        """Of the file in effect."""
        self.loaded = parse(_NO_RULES, self._path)
        self.mistakes: list[str] = []
        """Why the file as it is now is not in effect."""
        self.no_rules: str | None = None
        """Why there are no rules in the file, in a sentence: then the ones before it stand."""
        self._take(self._read())

    def ask(self) -> None:
        """Read the file at the next look, whether or not it seems to have changed: SIGHUP."""
        self._asked = True

    async def look(self) -> None:
        """Read the file if it changed, and has stayed the same since the last look.

        It may be half written at first, which could be a right file with less in it. It is read and
        checked in a thread: a large file takes more than a second.
        """
        if self._is_due():
            self._take(await asyncio.to_thread(self._read))

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now - self._looked_s < LOOK_S and not self._asked:
            return False
        self._looked_s = now
        seen, self._seen = self._seen, self._stamp_now()
        stamp = self._seen
        if (stamp == self._stamp or stamp != seen) and not self._asked:
            return False
        self._stamp, self._asked = stamp, False
        return True

    def _stamp_now(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> tuple[LoadedRules, str] | list[str] | None:
        """Return the rules with their text, else the mistakes; None where no file was asked for."""
        try:
            mode = self._path.stat().st_mode
            if not stat.S_ISREG(mode):
                return [f"the rule file {self._path} is no file."]  # a pipe would never end
            text = read_text(self._path)
            return parse(text, self._path), text
        except FileNotFoundError:
            if self._is_optional and self.text == _NO_RULES:
                return None
            return [f"there is no rule file {self._path}; OPWATCH_RULE_FILE says where."]
        except OSError as error:
            return [f"cannot read the rule file {self._path}: {error.strerror}."]
        except BadRuleFile as bad:
            return bad.sentences
        except Exception as error:  # noqa: BLE001 - no file ends a worker, be it ever so odd
            return [f"cannot read the rule file {self._path}: {type(error).__name__}."]

    def _take(self, found: tuple[LoadedRules, str] | list[str] | None) -> None:
        if found is None:
            self.no_rules = f"there is no rule file {self._path}; OPWATCH_RULE_FILE says where."
            log.warning("there are no rules: no file is there", path=str(self._path.absolute()))
        elif isinstance(found, list):
            self.mistakes = found
            metrics.rules_reload_failed.set(1)
            log.error(
                "the rule file is wrong, and the rules before it stand",
                mistakes=found,
                hash=self.loaded.hash,
            )
        else:
            loaded, text = found
            rules = loaded.rules.rules
            self.mistakes = []
            self.no_rules = None if rules else f"the rule file {self._path} has no rules."
            metrics.rules_reload_failed.set(0)
            if loaded.hash != self.loaded.hash or self.text == _NO_RULES:
                enabled = sum(rule.enabled for rule in rules)
                path = str(self._path)
                log.info("rules read", path=path, hash=loaded.hash, rules=enabled)
            self.loaded, self.text = loaded, text
