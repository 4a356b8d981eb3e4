"""Which weights go from one model to another: by name, and by what rows stand for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from seqtrain.finetune.matching import DescribedModel, Fit, NoFit, match, same_ids
from seqtrain.finetune.warm_start import make_plan
from seqtrain.protocols import ModelSpec, NamedIds

SPECIAL = {"padding": 0, "eos": 1}


def ids(*words: str, padding: str = "<pad>", eos: str = "</s>", **roles: int) -> NamedIds:
    return NamedIds(names=[padding, eos, *words], roles=SPECIAL | roles)


class Tables(nn.Module):
    """A table of tokens, one of positions, a body and a head."""

    def __init__(self, tokens: int, positions: int = 4, classes: int = 2, dim: int = 3) -> None:
        super().__init__()
        self.tokens = nn.Embedding(tokens, dim)
        self.positions = nn.Embedding(positions, dim)
        self.body = nn.Linear(dim, dim)
        self.head = nn.Linear(dim, classes)


class Described(Tables):
    """The same, and says so."""

    row_meanings = {"tokens": "target", "positions": "positions", "head": "classes"}


def described(model: nn.Module, words: NamedIds | None, labels: tuple[str, ...] = ("no", "yes")) -> DescribedModel:
    vocabularies = {} if words is None else {"target": words, "classes": NamedIds(names=labels)}
    tables: Any = model
    spec = ModelSpec(
        vocab_size=tables.tokens.num_embeddings,
        padding=0,
        num_classes=tables.head.out_features,
        max_positions=tables.positions.num_embeddings,
    )
    task: Any = SimpleNamespace(model_spec=spec, vocabularies=lambda: vocabularies)
    return DescribedModel(model, task)


def before_and_after(target: DescribedModel, source: DescribedModel) -> tuple[dict[str, Any], dict[str, Any]]:
    before = {name: each.detach().clone() for name, each in target.tensors.items()}
    make_plan(target, source).carry_out()
    return before, target.tensors


def test_tokens_that_both_have_keep_their_rows_and_others_are_new():
    """Whatever their ids are."""
    source = described(Described(5), ids("a", "b", "c"))
    target = described(Described(5), ids("c", "d", "a"))
    before, after = before_and_after(target, source)
    table = source.tensors["tokens.weight"]

    assert torch.equal(after["tokens.weight"][[0, 1, 2, 4]], table[[0, 1, 4, 2]])
    assert torch.equal(after["tokens.weight"][3], before["tokens.weight"][3])
    assert make_plan(target, source).in_part == {"tokens.weight": (4, 5)}


def test_a_role_decides_before_a_name():
    """Padding is padding, however it is called; a token that only looks like one is not."""
    target = NamedIds(names=["[PAD]", "</s>", "<pad>", "[MASK]"], roles={"padding": 0, "eos": 1, "mask": 3})
    source = NamedIds(names=["</s>", "<pad>", "a", "<mask>"], roles={"padding": 1, "eos": 0, "mask": 3})

    assert dict(same_ids(target, source)) == {0: 1, 1: 0, 2: 1, 3: 3}


def test_a_role_that_only_one_has_leaves_the_name_to_decide():
    """And where neither fits, nothing is taken; an id without a name is like no other."""
    target = NamedIds(names=["<pad>", "<mask>", "", "x"], roles={"padding": 0, "mask": 1})
    source = NamedIds(names=["", "<mask>", "<pad>"], roles={"padding": 2})

    assert same_ids(target, source) == [(0, 2), (1, 1)]


def test_of_several_roles_of_one_id_the_first_counts():
    """Where bos and eos are one token, it becomes what eos was."""
    target = NamedIds(names=["<pad>", "<end>"], roles={"padding": 0, "eos": 1, "bos": 1})
    source = NamedIds(names=["<pad>", "<s>", "</s>"], roles={"padding": 0, "eos": 2, "bos": 1})

    assert same_ids(target, source) == [(0, 0), (1, 2)]


@pytest.mark.parametrize(("own", "other"), [(6, 4), (4, 6)])
def test_positions_are_kept_from_the_first_on(own, other):
    """As many as both have."""
    words = ids("a", "b", "c")
    source, target = described(Described(5, other), words), described(Described(5, own), words)
    before, after = before_and_after(target, source)

    assert torch.equal(after["positions.weight"][:4], source.tensors["positions.weight"][:4])
    assert torch.equal(after["positions.weight"][4:], before["positions.weight"][4:])


def test_labels_are_matched_by_name():
    """A head for other labels has the rows of those that are the same, weights and biases."""
    words = ids("a", "b", "c")
    source = described(Described(5, classes=2), words, ("no", "yes"))
    target = described(Described(5, classes=3), words, ("maybe", "yes", "unsure"))
    _, after = before_and_after(target, source)

    assert torch.equal(after["head.weight"][1], source.tensors["head.weight"][1])
    assert torch.equal(after["head.bias"][1], source.tensors["head.bias"][1])
    assert make_plan(target, source).in_part == {"head.weight": (1, 3), "head.bias": (1, 3)}


def test_equal_vocabularies_and_sizes_keep_everything():
    """To the bit, and nothing is said to be kept in part."""
    words = ids("a", "b", "c")
    source, target = described(Described(5), words), described(Described(5), words)
    plan = make_plan(target, source)
    plan.carry_out()

    assert (plan.in_part, plan.new, plan.dropped) == ({}, {}, [])
    assert all(torch.equal(each, source.tensors[name]) for name, each in target.tensors.items())
    assert "kept     47 of 47 parameters, 6 of 6 tensors" in plan.summary()


def test_rows_of_different_things_are_not_mixed():
    """A head for labels gets nothing from one for tokens, even of its size; and tokens without names get nothing."""
    words = ids("a", "b", "c")
    head_of_tokens = Described(5, classes=5)
    head_of_tokens.row_meanings = {"tokens": "target", "positions": "positions", "head": "target"}
    source = described(head_of_tokens, words)
    target = described(Described(5, classes=5), words, ("v", "w", "x", "y", "z"))
    nameless = described(Described(5), None)

    assert match("head.weight", target, source) == NoFit("its rows stand for classes here and target there")
    assert isinstance(match("tokens.weight", target, nameless), NoFit)
    assert isinstance(match("tokens.weight", nameless, source), NoFit)


def test_a_source_vocabulary_fits_a_target_vocabulary():
    """An encoder of one language goes to a model that only knows that one."""
    encoder = Described(5)
    encoder.row_meanings = {"tokens": "source", "positions": "positions", "head": "classes"}
    there = described(encoder, None)
    there.vocabularies.update({"source": ids("b", "a", "x"), "target": ids("p", "q", "r")})
    here = described(Described(5), ids("a", "b", "c"))
    fit = match("tokens.weight", here, there)

    assert isinstance(fit, Fit)
    assert (fit.here.tolist(), fit.there.tolist()) == ([0, 1, 2, 3], [0, 1, 3, 2])


def test_what_belongs_to_a_vocabulary_as_a_whole_goes_only_to_the_same_one():
    """As an adaptive softmax does, whose rows are not tokens."""
    words, others = ids("a", "b", "c"), ids("a", "b", "d")

    def clustered(names):
        model = Described(5)
        model.row_meanings = {"tokens": "target", "positions": "positions", "body": "target", "head": "classes"}
        return described(model, names)

    same = match("body.weight", clustered(words), clustered(words))
    other = match("body.weight", clustered(words), clustered(others))

    assert isinstance(same, Fit)
    assert other == NoFit("it belongs to a vocabulary as a whole")


def test_other_sizes_of_the_model_itself_are_told_apart_from_those_of_the_data():
    """Both shapes are named."""
    words = ids("a", "b", "c")
    source, target = described(Described(5, dim=3), words), described(Described(5, dim=4), words)
    found = {name: match(name, target, source) for name in target.tensors}

    assert {name for name, each in found.items() if isinstance(each, NoFit) and each.of_other_sizes} == {
        "tokens.weight", "positions.weight", "body.weight", "body.bias", "head.weight",
    }  # fmt: skip
    assert found["body.weight"] == NoFit("it is (3, 3) there and (4, 4) here", of_other_sizes=True)


def test_a_model_that_says_nothing_gets_what_has_no_rows_for_tokens():
    """The table is left alone unless the vocabularies are equal; what the data's sizes explain is new, not wrong."""
    words, others = ids("a", "b", "c"), ids("a", "b", "d")
    source = described(Tables(5, positions=4, classes=2), words)
    target = described(Tables(5, positions=6, classes=7), others, tuple("abcdefg"))
    plan = make_plan(target, source)

    assert list(plan.kept) == ["body.weight", "body.bias"]
    assert not any(each.of_other_sizes for each in plan.new.values())
    assert "row_meanings" in plan.new["tokens.weight"].why
    assert isinstance(match("tokens.weight", described(Tables(5), words), source), Fit)
    assert isinstance(match("tokens.weight", described(Tables(5), None), described(Tables(5), None)), NoFit)


def test_a_tied_weight_is_copied_once_by_whichever_name_fits():
    """The source need not be tied, nor have the first of the names."""

    class Tied(Described):
        row_meanings = {"tokens": "target", "positions": "positions", "head": "target"}

    words = ids("a", "b", "c")
    model = Tied(5, classes=5)
    model.head.weight = model.tokens.weight
    target = described(model, words)
    source = described(Tied(5, classes=5), words)
    plan = make_plan(target, source)
    del source.tensors["tokens.weight"]
    by_second_name = make_plan(target, source)

    assert plan.kept["tokens.weight"][0] == "tokens.weight"
    assert "head.weight" not in plan.kept
    assert plan.dropped == ["head.weight"]
    assert by_second_name.kept["tokens.weight"][0] == "head.weight"


def test_names_that_only_one_has_are_new_or_dropped():
    """Both are counted, and buffers are weights like any other."""
    words = ids("a", "b", "c")
    source, target = Described(5), Described(5)
    source.extra = nn.Linear(3, 7, bias=False)
    target.more = nn.Linear(3, 2)
    source.register_buffer("count", torch.tensor(7))
    target.register_buffer("count", torch.tensor(0))
    plan = make_plan(described(target, words), described(source, words))
    plan.carry_out()

    assert plan.record()["new"] == dict.fromkeys(("more.weight", "more.bias"), "that model has none of this name")
    assert plan.record()["dropped"] == ["extra.weight"]
    assert "dropped  21 parameters: extra.weight" in plan.summary()
    assert target.count == 7
