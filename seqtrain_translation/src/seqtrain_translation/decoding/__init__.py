"""From a model's distributions to translations: beam search, sampling, and the scores of given translations."""

from seqtrain_translation.decoding.beam_search import beam_search
from seqtrain_translation.decoding.decoder import Decoder
from seqtrain_translation.decoding.full_prefix import FullPrefixDecoding
from seqtrain_translation.decoding.hypothesis import Hypothesis, Sources, SpecialTokens
from seqtrain_translation.decoding.length_limits import length_limits
from seqtrain_translation.decoding.sampling import sample
from seqtrain_translation.decoding.score_references import score_references

__all__ = [
    "Decoder",
    "FullPrefixDecoding",
    "Hypothesis",
    "Sources",
    "SpecialTokens",
    "beam_search",
    "length_limits",
    "sample",
    "score_references",
]
