"""Say what is wrong in a rule file: where it stands, and what to write instead."""


from pydantic import ValidationError

from agents.rule_yaml import Document, Mistake
from schemas.rule_file import RuleFile


def mistakes_of(document: Document) -> tuple[RuleFile | None, list[Mistake]]:
    """Return the rule file, or else every mistake in it, in the file's order."""
    if document.broken is not None:
        return None, [document.broken]
    try:
        rules = RuleFile.model_validate(document.body)
    except ValidationError as error:
        return None, [
            Mistake(line=1, column=1, where=str(each["loc"]), text=each["msg"])
            for each in error.errors()
        ]
    return rules, []
