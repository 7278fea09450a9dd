"""Load the rule file: whole and right, or every mistake in it at once."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

from agents.rule_file.mistakes import mistakes_of
from agents.rule_file.yaml import MAX_BYTES, Document, read
from agents.runtime.masking import masked_urls
from schemas.rule_file import RuleFile

_HASH_LENGTH = 12


class BadRuleFile(Exception):
    """The rule file is wrong; a sentence for each mistake, in the order of the file."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True, kw_only=True)
class LoadedRules:
    """A rule file that is right."""

    rules: RuleFile
    hash: str
    """Of the content without comments, order of fields and other spelling."""
    path: Path


def load(path: str | Path) -> LoadedRules:
    """Return the rule file at the path.

    Raises:
        BadRuleFile: it cannot be read, or there are mistakes in it.
    """
    path = Path(path)
    return parse(read_text(path), path)


def read_text(path: Path, variable: str = "OPWATCH_RULE_FILE") -> str:
    """Return what the file at the path says; the setting `variable` names it.

    Raises:
        BadRuleFile: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise BadRuleFile([f"{path} is longer than {MAX_BYTES:,} bytes: that is the limit."])
        return io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8").read()
    except UnicodeDecodeError as error:
        raise BadRuleFile([f"{path} is not UTF-8: byte {error.start}."]) from None
    except OSError as error:
        hint = f"write its path, or set {variable}"
        raise BadRuleFile([f"cannot read {path}: {error.strerror}; {hint}."]) from None


def parse(text: str, path: str | Path = "rules") -> LoadedRules:
    """Return the rule file of a text; the path only names it.

    Raises:
        BadRuleFile: there are mistakes in it.
    """
    document: Document = read(text)
    rules, mistakes = mistakes_of(document)
    if rules is None:
        raise BadRuleFile([masked_urls(f"{path}:{mistake}") for mistake in mistakes])
    return LoadedRules(rules=rules, hash=_hash(rules), path=Path(path))


def _hash(rules: RuleFile) -> str:
    plain = rules.model_dump(mode="json", by_alias=True)
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
