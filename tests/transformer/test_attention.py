"""Attention: the two ways of computing it agree with each other and with a loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from seqtrain_transformer import attention
from seqtrain_transformer.attention import KeyValues, MultiHeadAttention, attend, plain_attention


def random_case(*, head: int = 8, queries: int = 5, keys: int = 5, masked: bool = False) -> tuple[Tensor, KeyValues]:
    """Return queries, keys and values of 3 sentences and 2 heads; masked: with padding of several lengths."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(3, 2, length, head, generator=generator, requires_grad=True) for length in (queries, keys, keys)
    )
    keep = torch.arange(keys) < torch.tensor([keys, keys - 1, 1])[:, None]
    return query, KeyValues(key, value, keep[:, None, None] if masked else None)


def loop_attention(query: Tensor, source: KeyValues, *, causal: bool) -> Tensor:
    """Compute attention position by position."""
    out = torch.empty(query.shape)
    batch, heads, queries, head = query.shape
    for b in range(batch):
        for h in range(heads):
            for t in range(queries):
                readable = [
                    s
                    for s in range(source.keys.shape[2])
                    if (source.keep is None or source.keep[b, 0, 0, s]) and (not causal or s <= t)
                ]
                scores = [math.exp((query[b, h, t] @ source.keys[b, h, s]).item() / math.sqrt(head)) for s in readable]
                weighted = [
                    score / sum(scores) * source.values[b, h, s] for score, s in zip(scores, readable, strict=True)
                ]
                out[b, h, t] = torch.stack(weighted).sum(0).detach()
    return out


def gradients(out: Tensor, query: Tensor, source: KeyValues) -> tuple[Tensor, ...]:
    """Return the gradients of a fixed function of the output."""
    weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
    return torch.autograd.grad((out * weights).sum(), (query, source.keys, source.values))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("masked", "causal"), [(False, False), (True, False), (False, True)])
def test_both_ways_agree_with_a_loop(monkeypatch: pytest.MonkeyPatch, fused: bool, masked: bool, causal: bool) -> None:
    """The fused kernel and the plain products give what the formula gives."""
    query, source = random_case(masked=masked)
    monkeypatch.setattr(attention, "SHORT", 0 if fused else 64)

    torch.testing.assert_close(
        attend(query, source, causal=causal), loop_attention(query, source, causal=causal), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(("masked", "causal"), [(False, False), (True, False), (False, True)])
def test_both_ways_have_the_same_gradients(monkeypatch: pytest.MonkeyPatch, masked: bool, causal: bool) -> None:
    """Which way is taken does not show in training."""
    query, source = random_case(masked=masked)
    plain = plain_attention(query, source, causal=causal)
    monkeypatch.setattr(attention, "SHORT", 0)
    fused = attend(query, source, causal=causal)

    torch.testing.assert_close(plain, fused, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(gradients(plain, query, source), gradients(fused, query, source), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("head", "keys", "dropout_p", "plain"),
    [(32, 64, 0.0, True), (33, 64, 0.0, False), (32, 65, 0.0, False), (64, 100, 0.1, True)],
)
def test_small_heads_of_short_sentences_take_plain_products(
    monkeypatch: pytest.MonkeyPatch, head: int, keys: int, dropout_p: float, plain: bool
) -> None:
    """On a CPU the sizes, and dropout of weights, decide the way."""
    calls: list[float] = []

    def spy(query: Tensor, source: KeyValues, *, causal: bool, dropout_p: float) -> Tensor:
        calls.append(dropout_p)
        return query

    monkeypatch.setattr(attention, "plain_attention", spy)
    query, source = random_case(head=head, keys=keys)
    attend(query, source, dropout_p=dropout_p)

    assert calls == ([dropout_p] if plain else [])


def test_attention_dropout_keeps_the_expectation() -> None:
    """The mean over many draws is the result without dropout."""
    torch.manual_seed(0)
    query, source = random_case()
    with torch.no_grad():
        mean = torch.stack([attend(query, source, dropout_p=0.3) for _ in range(3000)]).mean(0)

    torch.testing.assert_close(mean, attend(query, source).detach(), atol=0.08, rtol=0)


def test_weights_are_dropped_in_training_only() -> None:
    """A module in evaluation mode gives the same result twice."""
    torch.manual_seed(0)
    module = MultiHeadAttention(8, 2, dropout=0.5)
    x = torch.randn(2, 4, 8)

    assert not torch.equal(module(x, module.keys_values(x)), module(x, module.keys_values(x)))
    module.eval()
    assert torch.equal(module(x, module.keys_values(x)), module(x, module.keys_values(x)))


def test_rows_of_a_sentence_read_its_keys_without_copies() -> None:
    """With three rows a sentence the result is that of keys repeated three times."""
    torch.manual_seed(0)
    module = MultiHeadAttention(8, 2, dropout=0.0)
    source, x = torch.randn(2, 5, 8), torch.randn(6, 4, 8)
    keep = (torch.arange(5) < torch.tensor([[5], [3]]))[:, None, None]  # (2, 1, 1, 5)
    repeated = module.keys_values(source.repeat_interleave(3, dim=0), keep.repeat_interleave(3, dim=0))

    torch.testing.assert_close(module(x, module.keys_values(source, keep)), module(x, repeated))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("mask", ["none", "padding", "causal", "each"])
def test_grouped_heads_read_what_repeated_ones_would(monkeypatch: pytest.MonkeyPatch, fused: bool, mask: str) -> None:
    """Six heads on two of keys and values give, with gradients, what they give on six of which three are alike."""
    monkeypatch.setattr(attention, "SHORT", 0 if fused else 64)
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(3, 6, 5, 8, generator=generator, requires_grad=True)
    keys, values = (torch.randn(3, 2, 5, 8, generator=generator, requires_grad=True) for _ in range(2))
    keep = {
        "none": None,
        "causal": None,
        "padding": (torch.arange(5) < torch.tensor([5, 4, 1])[:, None])[:, None, None],
        "each": torch.rand(3, 1, 5, 5, generator=generator).tril() + torch.eye(5) > 0.4,
    }[mask]
    grouped = KeyValues(keys, values, keep)
    repeated = KeyValues(keys.repeat_interleave(3, dim=1), values.repeat_interleave(3, dim=1), keep)
    few, many = (attend(query, each, causal=mask == "causal") for each in (grouped, repeated))

    torch.testing.assert_close(few, many)
    torch.testing.assert_close(gradients(few, query, grouped), gradients(many, query, grouped), atol=1e-5, rtol=1e-5)


def test_as_many_key_heads_as_heads_are_multi_head_attention() -> None:
    """Asking for what is the default changes nothing, weights included."""
    results = []
    for key_value_heads in (None, 4):
        torch.manual_seed(0)
        module = MultiHeadAttention(16, 4, 0.0, key_value_heads)
        x = torch.randn(2, 5, 16)
        results.append(module(x, module.keys_values(x), causal=True))

    assert torch.equal(*results)


def test_fewer_key_heads_have_smaller_projections() -> None:
    """Keys and values are projected to their own number of heads."""
    module = MultiHeadAttention(16, 4, 0.0, 1)

    assert [module.query.out_features, module.key.out_features, module.value.out_features] == [16, 4, 4]


def test_rows_of_a_sentence_share_grouped_heads_too() -> None:
    """With three rows a sentence and a mask for each query, the result is that of keys repeated three times."""
    torch.manual_seed(0)
    module = MultiHeadAttention(16, 4, 0.0, 2)
    source, x = torch.randn(2, 5, 16), torch.randn(6, 4, 16)
    keep = torch.rand(2, 1, 12, 5) > 0.3
    keep[..., 0] = True
    by_row = keep.view(2, 1, 3, 4, 5).transpose(1, 2).reshape(6, 1, 4, 5)
    repeated = module.keys_values(source.repeat_interleave(3, dim=0), by_row)

    torch.testing.assert_close(module(x, module.keys_values(source, keep)), module(x, repeated))
