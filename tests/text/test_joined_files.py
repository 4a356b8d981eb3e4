"""Examples of several files as those of one dataset."""

from __future__ import annotations

import numpy as np
import pytest

from seqtrain.protocols import DatasetPart
from seqtrain_text.joined_files import JoinedFiles

FILES = JoinedFiles([3, 1, 4], [1.0, 2.5, 0.5])


def test_files_are_parts_one_after_the_other() -> None:
    """With their weights."""
    assert [DatasetPart(0, 3, 1.0), DatasetPart(3, 4, 2.5), DatasetPart(4, 8, 0.5)] == FILES.parts
    assert 8 == len(FILES)


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [(0, 8, [(0, 0, 3), (1, 0, 1), (2, 0, 4)]), (1, 4, [(0, 1, 3), (1, 0, 1)]), (5, 6, [(2, 1, 2)]), (3, 3, [])],
)
def test_a_stretch_is_made_of_stretches_of_files(start: int, stop: int, expected: list[tuple[int, int, int]]) -> None:
    """Files that have none of it are left out."""
    assert expected == list(FILES.spans(start, stop))


def test_examples_are_sorted_by_file_and_put_back() -> None:
    """Each file is asked once for all of its own, and the order brings back what was asked for."""
    indices = np.array([7, 0, 3, 2, 7, 4])
    chosen, order = FILES.by_file(indices)

    assert [(0, [0, 2]), (1, [0]), (2, [3, 3, 0])] == [(number, own.tolist()) for number, own in chosen]
    of_all = np.concatenate([own + FILES.parts[number].start for number, own in chosen])
    assert indices.tolist() == of_all[order].tolist()


def test_an_example_is_found_in_its_file() -> None:
    """The last of one file is followed by the first of the next."""
    assert [(0, 0), (0, 2), (1, 0), (2, 0), (2, 3)] == [FILES.find(index) for index in (0, 2, 3, 4, 7)]
