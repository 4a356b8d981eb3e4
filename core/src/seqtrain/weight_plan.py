"""What becomes of every weight when a model starts from another one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from seqtrain.weight_matching import DescribedModel, Fit, NoFit, match, num_rows

_MISSING = NoFit("that model has none of this name")
_SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Plan:
    """
    What becomes of every weight; a tied one goes by the first of its names.

    Args:
        target, source: the two models.
        kept: what weights of the target get, and the name of what they get it from.
        new: why the others get nothing.
        dropped: what of the source goes nowhere.
    """

    target: DescribedModel
    source: DescribedModel
    kept: Mapping[str, tuple[str, Fit]]
    new: Mapping[str, NoFit]
    dropped: Sequence[str]

    @torch.no_grad()
    def carry_out(self) -> None:
        """Copy what is kept."""
        for name, (other, fit) in self.kept.items():
            tensor = self.target.tensors[name]
            tensor[fit.here] = self.source.tensors[other][fit.there].to(tensor)

    @property
    def in_part(self) -> dict[str, tuple[int, int]]:
        """How many rows are kept of how many, where not all are."""
        counts = {name: (fit.count, num_rows(self.target.tensors[name].shape)) for name, (_, fit) in self.kept.items()}
        return {name: each for name, each in counts.items() if each[0] < each[1]}

    def summary(self) -> str:
        """Say it in a few lines."""
        sizes = {name: each.numel() for name, each in self.target.tensors.items()}
        part = self.in_part
        kept = sum(sizes[name] * part[name][0] // part[name][1] if name in part else sizes[name] for name in self.kept)
        every = sum(sizes[name] for name in (*self.kept, *self.new))
        lost = sum(self.source.tensors[name].numel() for name in self.dropped)
        rows = [f"{name}: {count} of {whole} rows" for name, (count, whole) in part.items()]
        new = [name if each is _MISSING else f"{name}, as {each.why}" for name, each in self.new.items()]
        lines = [
            f"kept     {kept:,} of {every:,} parameters, {len(self.kept)} of {len(self.kept) + len(new)} tensors",
            f"in part  {some(rows)}" if rows else "",
            f"new      {some(new)}" if new else "",
            f"dropped  {lost:,} parameters: {some(self.dropped)}" if self.dropped else "",
        ]
        return "\n".join(f"  {line}" for line in lines if line)

    def record(self) -> dict[str, Any]:
        """Say it for programs."""
        part = self.in_part
        return {
            "kept": [name for name in self.kept if name not in part],
            "kept_in_part": {name: {"rows": count, "of": whole} for name, (count, whole) in part.items()},
            "new": {name: each.why for name, each in self.new.items()},
            "dropped": list(self.dropped),
        }


def make_plan(target: DescribedModel, source: DescribedModel) -> Plan:
    """Find out what becomes of every weight; nothing is changed yet."""
    kept: dict[str, tuple[str, Fit]] = {}
    new: dict[str, NoFit] = {}
    for names in target.names_by_tensor():
        matches = {name: match(name, target, source) for name in names if name in source.tensors}
        fits = [(name, each) for name, each in matches.items() if isinstance(each, Fit)]
        if fits:
            kept[names[0]] = fits[0]
        else:
            new[names[0]] = next((each for each in matches.values() if isinstance(each, NoFit)), _MISSING)
    used = {id(source.tensors[name]) for name, _ in kept.values()}
    dropped = [names[0] for names in source.names_by_tensor() if id(source.tensors[names[0]]) not in used]
    return Plan(target, source, kept, new, dropped)


def some(texts: Sequence[str]) -> str:
    """List texts, or the first of many."""
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
