"""
Which weights of one model fit into another, row by row where rows stand for tokens, labels or positions.

What rows stand for is known from the models (`DescribesRows`) and their tasks (`Task.vocabularies`). Where a model does
not say, a weight that may have such rows is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType
from typing import TypeAlias

import torch
from torch import Tensor, nn

from seqtrain.protocols import DescribesRows, NamedIds
from seqtrain.task import Task

POSITIONS = "positions"
_VOCABULARIES = {"target", "source"}  # a token may be in either
_ALL = ...  # a single number has no rows

Index: TypeAlias = "EllipsisType | slice | Tensor"


@dataclass(frozen=True)
class DescribedModel:
    """
    A model, and what is known of its rows.

    Args:
        model: the model.
        task: what it is for.
    """

    model: nn.Module
    task: Task

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Its parameters and buffers by name; a tied one has several."""
        return {name: each for name, each in self.model.state_dict(keep_vars=True).items() if isinstance(each, Tensor)}

    def names_by_tensor(self) -> list[list[str]]:
        """Return the names of each tensor."""
        names: dict[int, list[str]] = {}
        for name, tensor in self.tensors.items():
            names.setdefault(id(tensor), []).append(name)
        return list(names.values())

    @cached_property
    def vocabularies(self) -> Mapping[str, NamedIds]:
        """What its ids stand for."""
        return self.task.vocabularies()

    @property
    def says_rows(self) -> bool:
        """It says which modules have rows for something."""
        return isinstance(self.model, DescribesRows)

    @cached_property
    def _meanings(self) -> Mapping[str, str]:
        return self.model.row_meanings if isinstance(self.model, DescribesRows) else {}

    def meaning(self, name: str) -> str | None:
        """Return what the rows of a tensor stand for, if for anything."""
        module = max((each for each in self._meanings if name.startswith(f"{each}.")), key=len, default=None)
        return None if module is None else self._meanings[module]

    @cached_property
    def vocabulary_sizes(self) -> set[int | None]:
        """The sizes of its vocabularies."""
        return {self.task.model_spec.vocab_size, self.task.model_spec.source_vocab_size}

    @cached_property
    def data_sizes(self) -> set[int | None]:
        """All sizes that the data gave it."""
        spec = self.task.model_spec
        return self.vocabulary_sizes | {spec.num_classes, spec.max_positions, spec.max_source_positions}


@dataclass(frozen=True)
class Fit:
    """
    Rows of a tensor, and those of the other model's tensor that go there.

    Args:
        here, there: the rows.
        count: how many there are.
    """

    here: Index
    there: Index
    count: int


@dataclass(frozen=True)
class NoFit:
    """
    Why a tensor gets nothing.

    Args:
        why: in words.
        of_other_sizes: the data does not explain it: the models themselves are of different sizes.
    """

    why: str
    of_other_sizes: bool = False


def match(name: str, target: DescribedModel, source: DescribedModel) -> Fit | NoFit:
    """Find what a tensor that both models have gets from the source."""
    here, there = target.meaning(name), source.meaning(name)
    if here is None and there is None:
        return _match_whole(name, target, source)
    if here is None or there is None or not (here == there or {here, there} <= _VOCABULARIES):
        return NoFit(f"its rows stand for {here or 'nothing known'} here and {there or 'nothing known'} there")
    own, other = target.tensors[name].shape, source.tensors[name].shape
    if here == POSITIONS:
        rows = slice(min(own[0], other[0]))
        return Fit(rows, rows, rows.stop) if own[1:] == other[1:] else _other_sizes(own, other)
    if here not in target.vocabularies or there not in source.vocabularies:
        return NoFit(f"its rows stand for {here}, and a task does not say which is which")
    return _match_ids(own, other, target.vocabularies[here], source.vocabularies[there])


def _match_whole(name: str, target: DescribedModel, source: DescribedModel) -> Fit | NoFit:
    """Match tensors of which nothing is said."""
    own, other = target.tensors[name].shape, source.tensors[name].shape
    all_said = target.says_rows and source.says_rows
    if own == other:
        may_have_ids = not all_said and not target.vocabulary_sizes.isdisjoint(own)
        if may_have_ids and not _same_vocabularies(target, source):
            return NoFit("it may have a row for each token, and its model does not say (row_meanings)")
        return Fit(_ALL, _ALL, num_rows(own))
    if not all_said and len(own) == len(other):
        differing = [sizes for sizes in zip(own, other, strict=True) if sizes[0] != sizes[1]]
        if all(size in target.data_sizes and there in source.data_sizes for size, there in differing):
            return NoFit(f"its size depends on the data: {tuple(other)} there, {tuple(own)} here")
    return _other_sizes(own, other)


def _match_ids(own: Sequence[int], other: Sequence[int], target: NamedIds, source: NamedIds) -> Fit | NoFit:
    """Match tables of which each row belongs to an id."""
    pairs = same_ids(target, source)
    if own == other and len(target.names) == len(source.names) == sum(here == there for here, there in pairs):
        return Fit(_ALL, _ALL, num_rows(own))
    if own[0] != len(target.names) or other[0] != len(source.names):
        return NoFit("it belongs to a vocabulary as a whole")  # as the head of an adaptive softmax does
    if own[1:] != other[1:]:
        return _other_sizes(own, other)
    rows = torch.tensor(pairs, dtype=torch.int64).view(-1, 2)
    return Fit(rows[:, 0], rows[:, 1], len(rows)) if pairs else NoFit("no token or label is in both vocabularies")


def same_ids(target: NamedIds, source: NamedIds) -> list[tuple[int, int]]:
    """
    Return the ids of the target that the source has, too, each with its id there.

    A role decides before a name, and where an id has several, the first does.
    """
    by_name = {name: number for number, name in reversed(list(enumerate(source.names))) if name}
    there = {number: by_name[name] for number, name in enumerate(target.names) if name in by_name}
    for role, number in reversed(list(target.roles.items())):
        if role in source.roles:
            there[number] = source.roles[role]
    return sorted(there.items())


def _same_vocabularies(target: DescribedModel, source: DescribedModel) -> bool:
    """Say whether the tasks name the same ids; two that name none may differ."""
    return bool(target.vocabularies) and {
        key: (tuple(each.names), dict(each.roles)) for key, each in target.vocabularies.items()
    } == {key: (tuple(each.names), dict(each.roles)) for key, each in source.vocabularies.items()}


def num_rows(shape: Sequence[int]) -> int:
    """Return the first dimension; a single number is one row."""
    return shape[0] if shape else 1


def _other_sizes(own: Sequence[int], other: Sequence[int]) -> NoFit:
    return NoFit(f"it is {tuple(other)} there and {tuple(own)} here", of_other_sizes=True)
