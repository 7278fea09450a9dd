"""Load the quality file: whole and right, or every mistake in it at once."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from agents.rule_file.load import BadRuleFile, read_text
from agents.rule_file.mistakes import mistakes_in
from agents.rule_file.yaml import read
from agents.runtime.masking import masked_urls
from schemas.quality_config import (
    ConsistencyConfig,
    OperationExpected,
    QualityConfig,
    RemediationConfig,
    Targets,
)

_PARTS: Mapping[str, type[BaseModel]] = {
    "operations": OperationExpected,
    "targets": Targets,
    "consistency": ConsistencyConfig,
    "remediation": RemediationConfig,
}
_VARIABLE = "OPWATCH_QUALITY_FILE"


class BadQualityFile(Exception):
    """The quality file is wrong; a sentence for each mistake, in the order of the file."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def load_quality(path: str | Path | None) -> QualityConfig:
    """Return the configuration in the file at the path; without a path the built-in one.

    Raises:
        BadQualityFile: it cannot be read, or there are mistakes in it.
    """
    if path is None:
        return QualityConfig()
    try:
        text = read_text(Path(path), variable=_VARIABLE)
    except BadRuleFile as error:
        raise BadQualityFile(error.sentences) from None
    return parse_quality(text, path)


def parse_quality(text: str, path: str | Path = "quality") -> QualityConfig:
    """Return the configuration that a text holds; the path only names it.

    Raises:
        BadQualityFile: there are mistakes in it.
    """
    document = read(text)
    if document.broken is None and document.body is None:
        return QualityConfig()  # only comments: everything is as it is built in
    config, mistakes = mistakes_in(document, QualityConfig, _PARTS)
    if config is None:
        raise BadQualityFile([masked_urls(f"{path}:{mistake}") for mistake in mistakes])
    return config
