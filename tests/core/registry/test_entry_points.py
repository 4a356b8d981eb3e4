from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from seqtrain.registry.entry_points import refused_requirement

NUMBERS = st.lists(st.integers(0, 2), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
CLAUSES = st.lists(st.tuples(st.sampled_from([">=", "<", "==", ">", "~=", "!="]), NUMBERS), min_size=1, max_size=3)


@settings(deadline=None)  # packaging is imported on the way
@given(CLAUSES, NUMBERS)
def test_it_agrees_with_packaging(clauses, installed):
    """The shortcut for the usual form decides nothing differently."""
    text = ",".join(operator + (f"{number}.0" if operator == "~=" else number) for operator, number in clauses)

    admitted = SpecifierSet(text).contains(installed)

    assert admitted == (not refused_requirement([f"seqtrain{text}"], installed=installed))


@pytest.mark.parametrize("installed", ["1.0rc1", "1.0.post1", "1.0+local"])
def test_other_versions_than_releases_are_left_to_packaging(installed):
    """A release declared of 1.0 is not yet 1.0, and is not below 1 either."""
    assert refused_requirement(["seqtrain>=0.1,<2"], installed=installed) == ""
    assert (refused_requirement(["seqtrain>=1"], installed=installed) != "") == (installed == "1.0rc1")
    assert refused_requirement(["seqtrain<1"], installed=installed) != ""


def test_the_first_requirement_that_is_not_met_is_returned():
    """Only the first one that is not met."""
    requires = ["torch>=2", "seqtrain-text>=9", "Seqtrain>=2,<3", "seqtrain>=4"]

    refusal = refused_requirement(requires, installed="1.5")

    assert refusal == "seqtrain<3,>=2"
