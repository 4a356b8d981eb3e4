"""Masked tokens, drawn for an example or anew for each visit."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from seqtrain.batch import Batch
from seqtrain_lm.masking import MaskedBatches
from seqtrain_lm.noise_config import NoiseConfig
from seqtrain_lm.rows import BlockRows
from seqtrain_lm.vocabulary import Vocabulary

PAD, BOS, EOS, UNK, MASK = 0, 1, 2, 3, 100
TOKENIZER = SimpleNamespace(vocab_size=100, padding=PAD, bos=BOS, eos=EOS, unknown=UNK)


def batches(**noise: float) -> MaskedBatches:
    return MaskedBatches(Vocabulary(TOKENIZER, 1), NoiseConfig(**noise))


def rows(*lengths: int) -> BlockRows:
    """Return blocks of tokens 4, 5, 6 and so on."""
    tokens = np.concatenate([4 + np.arange(length) % 96 for length in lengths])
    return BlockRows(tokens, np.full(len(lengths), EOS), np.array(lengths), np.ones(len(lengths), np.int64))


def restored(batch: Batch) -> torch.Tensor:
    """Return the text that a batch was made from."""
    return torch.where(batch.target == PAD, batch.net_input["tokens"], batch.target)


def test_targets_are_the_text_at_masked_places() -> None:
    """Put back, they give the text; elsewhere there is nothing to predict."""
    blocks = rows(20, 10, 1)
    batch = batches().__call__(np.array([3, 1, 2]), blocks)

    text = restored(batch)
    assert blocks.tokens.tolist() == text[text != PAD].tolist()
    assert [3, 2, 1] == (batch.target != PAD).sum(1).tolist()  # 15 % of 20 and of 10, rounded; at least one
    assert (6, 31, 60) == (batch.num_targets, batch.num_tokens, batch.num_positions)


def test_masked_tokens_are_hidden_replaced_or_left() -> None:
    """8 of 10 are masked, 1 is another token, and 1 is left."""
    batch = batches(mask_prob=0.5)(np.array([1]), rows(20_000))
    read = batch.net_input["tokens"][batch.target != PAD]
    was = batch.target[batch.target != PAD]

    assert abs((read == MASK).float().mean() - 0.8) < 0.02
    assert abs((read == was).float().mean() - 0.1) < 0.02
    others = read[(read != MASK) & (read != was)]
    assert abs(len(others) / 10_000 - 0.1) < 0.02
    assert 4 <= int(others.min()) <= int(others.max()) < MASK  # neither padding nor the like


def test_noise_is_a_matter_of_seed_and_example() -> None:
    """Whatever stands beside an example, it is masked alike; another example or seed is masked otherwise."""
    first = batches()(np.array([7, 8]), rows(30, 40))
    alone = batches()(np.array([8]), rows(40))
    other = batches()(np.array([9]), rows(40))
    seeded = batches(seed=2)(np.array([8]), rows(40))

    assert first.target[1].tolist() == alone.target[0].tolist()
    assert first.net_input["tokens"][1].tolist() == alone.net_input["tokens"][0].tolist()
    assert other.target.tolist() != alone.target.tolist() != seeded.target.tolist()


def test_all_masked_can_be_hidden() -> None:
    """Without random and left tokens, every masked one is the mask."""
    batch = batches(random_share=0, leave_share=0)(np.array([1]), rows(100))

    assert {MASK} == set(batch.net_input["tokens"][batch.target != PAD].tolist())


def test_a_batch_can_be_masked_anew() -> None:
    """As many tokens of each row, elsewhere; the text stays as it is."""
    masking = batches()
    before = masking(np.array([1, 2, 3]), rows(60, 10, 2))
    torch.manual_seed(1)
    after = masking.masked_anew(before)

    assert restored(before).tolist() == restored(after).tolist()
    assert (before.target != PAD).sum(1).tolist() == (after.target != PAD).sum(1).tolist()
    assert before.target.tolist() != after.target.tolist()
    assert before.num_targets == after.num_targets == int((after.target != PAD).sum())


def test_masking_anew_follows_the_seed_of_torch() -> None:
    """So it can be repeated, as dropout can."""
    masking = batches()
    batch = masking(np.array([1]), rows(60))
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(masking.masked_anew(batch).net_input["tokens"].tolist())

    assert found[0] == found[1] != found[2]


def test_masking_anew_keeps_the_shares() -> None:
    """8 of 10 are masked, 1 is another token, and 1 is left."""
    masking = batches(mask_prob=0.5)
    batch = masking.masked_anew(masking(np.array([1]), rows(20_000)))
    read, was = batch.net_input["tokens"][batch.target != PAD], batch.target[batch.target != PAD]

    assert 10_000 == len(was)
    assert abs((read == MASK).float().mean() - 0.8) < 0.02
    assert abs((read == was).float().mean() - 0.1) < 0.02
