"""The encoder with its two heads: labels of texts, and masked tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqtrain.api import DataError, IncrementalModel, ModelSpec, OffersFeatures
from seqtrain_transformer.config import TransformerClassifierConfig
from seqtrain_transformer.transformer_classifier import TransformerClassifier

PADDING, VOCAB, CLASSES, LONGEST = 1, 19, 3, 20
MODERN = {"norm": "rms", "positions": "rotary", "activation": "swiglu"}
VARIANTS = [{}, MODERN, {"pre_norm": False, "pooling": "first"}, {"positions": "sinusoidal", "key_value_heads": 1}]


def build(num_classes: int | None = CLASSES, **options: Any) -> TransformerClassifier:
    """Return a small model in evaluation mode."""
    torch.manual_seed(0)
    sizes = {"layers": 2, "embed_dim": 16, "ffn_dim": 24, "attention_heads": 2}
    spec = ModelSpec(vocab_size=VOCAB, padding=PADDING, num_classes=num_classes, max_positions=LONGEST)
    return TransformerClassifier(TransformerClassifierConfig(**{**sizes, **options}), spec=spec).eval()


def tokens(*shape: int) -> Tensor:
    """Return random ids that are not padding."""
    return torch.randint(4, VOCAB, shape)


@pytest.mark.parametrize("num_classes", [CLASSES, 1])
def test_with_classes_it_labels_texts(num_classes: int) -> None:
    """Logits are (B, C); one class is a regression's single number."""
    assert build(num_classes)(tokens(4, 6)).shape == (4, num_classes)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_without_classes_it_guesses_every_token(options: dict[str, Any]) -> None:
    """Logits are (B, T, V), and each depends on what stands before and behind it, but not on padding."""
    model = build(None, **options).double()
    read = tokens(1, 6)
    logits = model(read)
    for changed in (0, 5):
        other = read.clone()
        other[0, changed] = 4 if read[0, changed] != 4 else 5

        assert not torch.allclose(model(other)[:, 3], logits[:, 3], atol=1e-6)
    padded = torch.cat((read, torch.full((1, 3), PADDING)), dim=1)

    assert logits.shape == (1, 6, VOCAB)
    torch.testing.assert_close(model(padded)[:, :6], logits, atol=1e-7, rtol=0)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_the_encoder_has_the_same_names_with_either_head(options: dict[str, Any]) -> None:
    """So its weights can be carried over by name, while the heads cannot be taken for each other."""
    guesser, classifier = build(None, **options).state_dict(), build(**options).state_dict()
    shared = {name: tensor.shape for name, tensor in guesser.items() if name.startswith("encoder.")}

    assert shared == {name: tensor.shape for name, tensor in classifier.items() if name.startswith("encoder.")}
    assert {name.partition(".")[0] for name in guesser} == {"encoder", "lm_head"}
    assert {name.partition(".")[0] for name in classifier} == {"encoder", "classification_head"}


def test_carried_over_weights_give_the_same_vectors() -> None:
    """The encoder does the same under either head."""
    guesser, classifier = build(None), build()
    for parameter in guesser.parameters():
        torch.nn.init.normal_(parameter)
    classifier.load_state_dict(guesser.state_dict(), strict=False)
    read, vectors = tokens(2, 5), []
    for model in (guesser, classifier):
        model.encoder.register_forward_hook(lambda module, inputs, output: vectors.append(output))
        model(read)

    assert torch.equal(*vectors)


def test_guesses_share_the_table_of_tokens() -> None:
    """The output compares with the same vectors that tokens are embedded as, and has a bias of its own."""
    model = build(None)

    assert model.output_projection.weight is model.encoder.embedding.tokens.weight
    assert model.output_projection.bias.shape == (VOCAB,)


def test_the_mean_is_of_real_tokens() -> None:
    """Pooling by mean worked by hand: vectors (1, 2) and (3, 6), with padding of (100, 100), are (2, 4)."""
    head = build(embed_dim=2, attention_heads=1, positions="none").classification_head
    with torch.no_grad():
        head.dense.weight.copy_(torch.eye(2))
    vectors = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]])

    torch.testing.assert_close(head(vectors, torch.tensor([[True, True, False]])), torch.tensor([[2.0, 4.0]]).tanh())


def test_the_first_token_stands_for_the_text_on_request() -> None:
    """Its vector alone is looked at."""
    head = build(embed_dim=2, attention_heads=1, positions="none", pooling="first").classification_head
    with torch.no_grad():
        head.dense.weight.copy_(torch.eye(2))
    vectors = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])

    torch.testing.assert_close(head(vectors, torch.ones(1, 2, dtype=torch.bool)), torch.tensor([[1.0, 2.0]]).tanh())


@pytest.mark.parametrize("num_classes", [CLASSES, None])
def test_features_and_projection_are_logits(num_classes: int | None) -> None:
    """Either head offers its features; neither decodes."""
    model = build(num_classes)
    read = tokens(2, 5)

    assert isinstance(model, OffersFeatures)
    assert not isinstance(model, IncrementalModel)
    torch.testing.assert_close(model.output_projection(model(tokens=read, features_only=True)), model(read))


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_packed_documents_are_what_they_are_alone(options: dict[str, Any]) -> None:
    """Two documents and padding in one row have, with a mask, the logits that each has in a row of its own."""
    model = build(None, **options).double()
    first, second = tokens(1, 4), tokens(1, 6)
    row = torch.cat((first, second, torch.full((1, 2), PADDING)), dim=1)
    packed = model(row, torch.tensor([[0] * 4 + [1] * 8]))

    torch.testing.assert_close(packed[:, :4], model(first), atol=1e-6, rtol=0)
    torch.testing.assert_close(packed[:, 4:10], model(second), atol=1e-6, rtol=0)
    assert packed.isfinite().all()


def test_post_norm_embeddings_are_normalised_as_robertas() -> None:
    """Post-norm has a norm on the embeddings, pre-norm one at the end."""
    post, pre = build(pre_norm=False).encoder, build(pre_norm=True).encoder

    assert post.embedding.norm is not None
    assert isinstance(post.final_norm, torch.nn.Identity)
    assert pre.embedding.norm is None
    assert isinstance(pre.final_norm, torch.nn.LayerNorm)
    embedded = post.embedding(tokens(1, 4))
    torch.testing.assert_close(embedded.mean(-1), torch.zeros(1, 4), atol=1e-5, rtol=0)


def test_longer_texts_are_refused_or_taken_on_request() -> None:
    """One token beyond the longest is an error, unless the config asks for more."""
    read = tokens(1, LONGEST + 1)

    for options in ({}, {"positions": "rotary"}):
        with pytest.raises(DataError, match=r"A sequence has 21 tokens.*20"):
            build(**options)(read)
    assert build(positions="rotary", extend_positions=True)(read).isfinite().all()


@pytest.mark.parametrize("num_classes", [CLASSES, None])
def test_initial_weights_are_berts(num_classes: int | None) -> None:
    """All are normal with 0.02, heads included; biases and the padding row are zero."""
    model = build(num_classes, embed_dim=64, ffn_dim=128)
    linears = [each for each in model.modules() if isinstance(each, torch.nn.Linear)]

    for linear in linears:
        assert linear.weight.std().item() == pytest.approx(0.02, rel=0.12)
        assert not linear.bias.any()
    assert not model.encoder.embedding.tokens.weight[PADDING].any()


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_it_learns_the_first_token_as_a_label(options: dict[str, Any]) -> None:
    """A few dozen steps bring the loss to near zero, and padding does not disturb."""
    model = build(**options, dropout=0.0, head_dropout=0.0, layers=1).train()
    read = tokens(24, 6)
    read[::2, 4:] = PADDING
    labels = read[:, 0] % CLASSES
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(read), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.1


def test_head_dropout_is_for_training() -> None:
    """In training the same text has different logits, in evaluation the same."""
    model = build(dropout=0.0, head_dropout=0.5)
    read = tokens(4, 5)

    assert torch.equal(model(read), model(read))
    model.train()
    assert not torch.equal(model(read), model(read))
