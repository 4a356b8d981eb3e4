"""Blocks become batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqtrain_lm.blocks import BlockRules, make_blocks
from seqtrain_lm.dataset import BlockDataset, BlockFile
from seqtrain_lm.rows import CausalBatches
from seqtrain_lm.vocabulary import Vocabulary
from seqtrain_text.config import CharConfig
from seqtrain_text.store import Column, LinePolicy, build_stores
from seqtrain_text.symbols import char

PAD, EOS = 0, 2
MakeDataset = Callable[..., BlockDataset]
TEXT = "abcdefghij\nklm\n\nno\n"  # 11, 4, 1 and 3 tokens
LETTER = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz", start=4)}


def ids(text: str) -> list[int]:
    """Return the ids of letters; "." is the end of a line, "_" padding."""
    return [{".": EOS, "_": PAD}.get(letter) or LETTER.get(letter, PAD) for letter in text]


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Return a function that makes a dataset of texts, a file each."""

    def make(
        *texts: str,
        break_mode: str = "none",
        size: int = 4,
        weights=(1.0, 1.0),
        temperature: float = 1.0,
        share: bool = False,
        **more: bool,
    ) -> BlockDataset:
        tokenizer = char(CharConfig())
        tokenizer.train(["".join(LETTER)])
        files = []
        rules = BlockRules(size=size, break_mode=break_mode, too_long="split", **more)
        for number, (text, weight) in enumerate(zip(texts or (TEXT,), weights, strict=False)):
            path = tmp_path / f"{number}.txt"
            path.write_text(text, encoding="utf-8")
            policy = LinePolicy(empty="allow", too_long="truncate", max_length=1 << 62)
            (store,) = build_stores([Column(path, tokenizer, "text")], cache=tmp_path / "cache", policy=policy)
            blocks = make_blocks(store, rules, path)
            drawn = store.num_tokens // size / len(blocks) if share else 1.0
            goes_on = break_mode == "none"
            files.append(BlockFile(store=store, blocks=blocks, goes_on=goes_on, weight=weight, share=drawn))
        batches = CausalBatches(Vocabulary(tokenizer, 0), with_documents=rules.packed)
        return BlockDataset(files, batches, eos=tokenizer.eos, rules=rules, temperature=temperature)

    return make


def test_a_block_goes_on_from_the_token_before_it(make_dataset: MakeDataset) -> None:
    """Cut anywhere, a block's first input is the text's own; the very first is the end of a line."""
    batch = make_dataset().collate(np.array([0, 1, 2, 4]))

    assert [ids(row) for row in ("abcd", "efgh", "ij.k", "no._")] == batch.target.tolist()
    assert [ids(row) for row in (".abc", "defg", "hij.", ".no_")] == batch.net_input["tokens"].tolist()
    assert ["tokens"] == list(batch.net_input)
    assert (15, 15, 16) == (batch.num_targets, batch.num_tokens, batch.num_positions)


def test_a_block_of_lines_begins_as_a_line_does(make_dataset: MakeDataset) -> None:
    """Its first input is the end of a line, even where a long line was split."""
    batch = make_dataset(break_mode="eos").collate(np.array([0, 1, 2, 3, 4]))

    assert [ids(row) for row in ("abcd", "efgh", "ij._", "klm.", "no._")] == batch.target.tolist()
    assert [ids(row) for row in (".abc", ".efg", ".ij_", ".klm", ".no_")] == batch.net_input["tokens"].tolist()


def test_every_token_is_predicted_once(make_dataset: MakeDataset) -> None:
    """An epoch's targets are the text."""
    dataset = make_dataset()
    batch = dataset.collate(np.arange(len(dataset)))

    assert ids("abcdefghij.klm..no.") == batch.target[batch.target != PAD].tolist()


def test_packed_blocks_say_which_document_a_token_is_of(make_dataset: MakeDataset) -> None:
    """Documents are counted from 1, padding is 0, and each begins as a line does."""
    dataset = make_dataset("ab\n\ncde\n\nf\n", break_mode="complete_doc", size=6, packed=True)
    batch = dataset.collate(np.array([1, 0]))

    assert [ids("cde.f."), ids("ab.___")] == batch.target.tolist()
    assert [ids(".cde.f"), ids(".ab___")] == batch.net_input["tokens"].tolist()
    assert [[1, 1, 1, 1, 2, 2], [1, 1, 1, 0, 0, 0]] == batch.net_input["documents"].tolist()


def test_batches_mix_files_in_any_order(make_dataset: MakeDataset) -> None:
    """Blocks are numbered through all files, and none goes beyond its file."""
    dataset = make_dataset("abcdef\n", "ghi\n")

    assert 3 == len(dataset)
    assert [ids("ghi."), ids("ef._"), ids("abcd")] == dataset.collate(np.array([2, 1, 0])).target.tolist()
    assert [ids(".ghi"), ids("def_")] == dataset.collate(np.array([2, 1])).net_input["tokens"].tolist()
    assert [[4], [3], [4]] == dataset.lengths(0, 3).tolist()
    assert [[3], [4]] == dataset.lengths(1, 3).tolist()


def test_packed_blocks_of_several_files_keep_their_spans(make_dataset: MakeDataset) -> None:
    """Putting blocks in order moves all their documents along."""
    dataset = make_dataset("ab\nc\n", "d\ne\nf\n", break_mode="eos", size=6, packed=True)
    batch = dataset.collate(np.array([1, 0]))

    assert [ids("d.e.f."), ids("ab.c._")] == batch.target.tolist()
    assert [ids(".d.e.f"), ids(".ab.c_")] == batch.net_input["tokens"].tolist()
    assert [[1, 1, 2, 2, 3, 3], [1, 1, 1, 2, 2, 0]] == batch.net_input["documents"].tolist()


def test_files_are_parts_with_weights(make_dataset: MakeDataset) -> None:
    """The trainer sees how often an epoch takes each."""
    parts = make_dataset("abcdef\n", "ghi\n", weights=(0.5, 2.0)).parts

    assert [(0, 2, 0.5), (2, 3, 2.0)] == [(part.start, part.stop, part.weight) for part in parts]


def test_a_temperature_evens_out_what_files_make_up(make_dataset: MakeDataset) -> None:
    """Of 16 and 4 blocks, at T=2 the shares are 4:2, so 40/3 and 20/3 of the 20 blocks of an epoch."""
    first, second = make_dataset("abc\n" * 16, "def\n" * 4, temperature=2.0).parts

    assert pytest.approx([40 / 3 / 16, 20 / 3 / 4]) == [first.weight, second.weight]


def test_blocks_that_begin_anywhere_count_as_what_they_are_drawn_from(make_dataset: MakeDataset) -> None:
    """There is a block at each of 61 and 13 tokens, but files are 16 and 4 blocks large: the weights are by these."""
    first, second = make_dataset("abc\n" * 16, "def\n" * 4, temperature=2.0, random=True, share=True).parts

    assert (61, 13) == (first.stop - first.start, second.stop - second.start)
    assert pytest.approx([40 / 3, 20 / 3]) == [61 * first.weight, 13 * second.weight]


def test_a_block_is_described_by_its_first_token(make_dataset: MakeDataset) -> None:
    """File, line, and the token's number in the file; two blocks of one line differ."""
    dataset = make_dataset()

    assert dataset.describe(0).endswith("0.txt:1, token 1 of the file")
    assert dataset.describe(1).endswith("0.txt:1, token 5 of the file")
    assert dataset.describe(3).endswith("0.txt:2, token 13 of the file")


def test_whatever_decides_on_the_batches_is_in_the_fingerprint(make_dataset: MakeDataset) -> None:
    """Another text, size, way of cutting, or weight is other data."""
    datasets = [
        make_dataset(), make_dataset("ab\n"), make_dataset(size=5), make_dataset(break_mode="eos"),
        make_dataset(break_mode="eos", packed=True), make_dataset(weights=(2.0,)), make_dataset(random=True),
    ]  # fmt: skip

    assert len(datasets) == len({dataset.fingerprint for dataset in datasets})
    assert make_dataset().fingerprint == datasets[0].fingerprint
