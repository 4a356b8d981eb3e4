"""Rules about the next token, applied in place to log-probabilities (R, V) of R rows."""

from __future__ import annotations

from torch import Tensor

FREE = -1  # in place of a forced token: the row may go on as it likes


def forbid_repeats(log_probs: Tensor, tokens: Tensor, size: int) -> None:
    """
    Rule out every token that would complete an n-gram the row already has.

    Args:
        log_probs: (R, V), changed in place.
        tokens: (R, t) what each row holds so far, `bos` left out.
        size: n, at least 1.
    """
    length = tokens.shape[1]
    if length < size:
        return
    ngrams = tokens.unfold(1, size, 1)  # (R, t - n + 1, n)
    context = tokens[:, length - size + 1 :]  # (R, n - 1)
    repeated = (ngrams[:, :, :-1] == context[:, None]).all(-1)  # (R, t - n + 1)
    row, position = repeated.nonzero(as_tuple=True)
    log_probs[row, ngrams[row, position, -1]] = -float("inf")


def force(log_probs: Tensor, tokens: Tensor, values: Tensor) -> None:
    """
    Leave one token to the rows that are forced.

    Args:
        log_probs: (R, V), changed in place.
        tokens: (R,) int64, the token, or `FREE`.
        values: (R,) the log-probability that the token then has.
    """
    (row,) = (tokens != FREE).nonzero(as_tuple=True)
    log_probs[row] = -float("inf")
    log_probs[row, tokens[row]] = values[row]
