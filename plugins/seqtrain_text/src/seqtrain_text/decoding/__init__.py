"""From a model's distributions to text: beam search, sampling, and the scores of given texts."""

from seqtrain_text.decoding.beam_search import beam_search
from seqtrain_text.decoding.decoder import Decoder
from seqtrain_text.decoding.full_prefix import FullPrefixDecoding
from seqtrain_text.decoding.hypothesis import Hypothesis, Sources, SpecialTokens
from seqtrain_text.decoding.sampling import sample
from seqtrain_text.decoding.score_references import score_references

__all__ = [
    "Decoder",
    "FullPrefixDecoding",
    "Hypothesis",
    "Sources",
    "SpecialTokens",
    "beam_search",
    "sample",
    "score_references",
]
