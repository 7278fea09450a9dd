"""A prefix finds the one id that begins with it."""

import pytest

from streams.audit.short_ids import Unfound, find


def test_a_prefix_finds_as_git_does():
    known = ["abcd1", "abcd2", "abef3", "abcd"]

    def found(prefix: str) -> str:
        return find(prefix, known, "alert", "opwatch alerts list --all")

    assert found("abef") == "abef3"
    assert found("abcd") == "abcd"
    assert found("abcd2") == "abcd2"
    for prefix, said in (("ab", "too short"), ("zzzz", "there is no alert 'zzzz'")):
        with pytest.raises(Unfound, match=said):
            found(prefix)
    with pytest.raises(Unfound, match="'abcdx' could be abcdx1, abcdx2: write more"):
        find("abcdx", ["abcdx1", "abcdx2"], "alert", "x")
