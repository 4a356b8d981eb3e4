"""Where the components of our own packages live, so that an error can say what to install."""

from __future__ import annotations

from seqtrain.plugin import PROJECT

BUILTIN = "core"  # the plugin that core itself is

# Plugin id -> kind -> names. The distribution of plugin `text` is `seqtrain-text`, and so on.
FIRST_PARTY: dict[str, dict[str, tuple[str, ...]]] = {
    "translation": {"task": ("translation",), "metric": ("bleu", "chrf", "chrf_plus_plus", "exact_match", "ter")},
    "lm": {
        "task": ("lm",),
        "metric": ("bits_per_byte", "bits_per_char", "nats_per_token", "perplexity", "ppl_per_word"),
    },
    "classify": {
        "task": ("classify",),
        "metric": ("accuracy", "macro_f1", "mcc", "micro_f1", "pearson", "spearman"),
    },
    "transformer": {"model": ("transformer", "transformer_classifier", "transformer_lm")},
    "recurrent": {"model": ("lstm", "lstm_classifier", "lstm_lm")},
    "conv": {"model": ("cnn_classifier", "dynamicconv", "fconv", "fconv_lm", "lightconv")},
    "criteria": {
        "criterion": (
            "adaptive_loss",
            "cross_entropy",
            "label_smoothed_cross_entropy",
            "masked_lm",
            "rdrop",
            "sentence_prediction",
            "sentence_ranking",
        )
    },
    "optim": {
        "optimizer": (
            "adadelta",
            "adafactor",
            "adagrad",
            "adam",
            "adamax",
            "adamw",
            "lion",
            "muon",
            "nag",
            "schedule_free",
            "sgd",
        ),
        "lr_scheduler": (
            "cosine",
            "fixed",
            "inverse_sqrt",
            "manual",
            "one_cycle",
            "pass_through",
            "polynomial_decay",
            "reduce_lr_on_plateau",
            "step",
            "tri_stage",
            "triangular",
            "wsd",
        ),
        "callback": ("ema", "freeze"),
    },
    "submitit": {"launcher": ("submitit",)},
    "testing": {"command": ("plugins-check", "plugins-new")},
    "text": {
        "tokenizer": ("bpe", "char", "hf", "unigram", "whitespace", "word"),
        "reader": ("arrow", "auto", "csv", "json", "jsonl", "lines", "parquet", "tsv"),
    },
}


def first_party_plugin(kind: str, name: str) -> str | None:
    """Return the id of the plugin of ours that offers a component, installed or not; None if none does."""
    for plugin_id, kinds in FIRST_PARTY.items():
        if name in kinds.get(kind, ()):
            return plugin_id
    return None


def is_first_party(distribution: str, plugin_id: str) -> bool:
    """Say whether a plugin is core or one of our packages, by its distribution's normalised name and its id."""
    return distribution == PROJECT or (distribution == f"{PROJECT}-{plugin_id}" and plugin_id in FIRST_PARTY)
