"""What the template of each kind makes, and how what it makes is tried out."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import KINDS, PROJECT


@dataclass(frozen=True, kw_only=True)
class Template:
    """
    What is particular to the template of a kind; the rest are its files, in `templates/KIND`.

    Args:
        summary: what it makes, in one line, for the record and for the README.
        use: command lines that use it; `$component` stands for its name.
        requires: distributions that its code imports or its recipe names, besides seqtrain.
        more: further fields of its record, as code.
    """

    summary: str
    use: tuple[str, ...]
    requires: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


_TRAIN = f"{PROJECT} train --task translation trainer.max_steps=2"

TEMPLATES = {
    "task": Template(
        summary="Learn to write strings backwards",
        use=(f"{PROJECT} train --task $component trainer.max_steps=2",),
        requires=("torch", "numpy", f"{PROJECT}-transformer", f"{PROJECT}-criteria", f"{PROJECT}-optim"),
        more=('recipe="$package:recipe.yaml"',),
    ),
    "model": Template(
        summary="Recurrent encoder and decoder with attention, for translation",
        use=(f"{_TRAIN} --model $component",),
        requires=("torch",),
        more=('for_tasks=("translation",)',),
    ),
    "criterion": Template(
        summary="Cross entropy with a penalty on being too sure",
        use=(f"{_TRAIN} --criterion $component",),
        requires=("torch",),
    ),
    "optimizer": Template(
        summary="Lion: steps by the sign of an average of gradients",
        use=(f"{_TRAIN} --optimizer $component",),
        requires=("torch",),
    ),
    "lr_scheduler": Template(
        summary="Warm-up, then a cut every so many steps",
        use=(f"{_TRAIN} --lr-scheduler $component",),
    ),
    "tokenizer": Template(
        summary="Frequent runs of characters, the longest first",
        use=(f"{_TRAIN} task.tokenizer.name=$component",),
        requires=("numpy",),
    ),
    "reader": Template(
        summary="One text from each line of JSON",
        use=(
            f"{_TRAIN} task.train=DATA/train task.source_lang=en task.target_lang=de task.reader.name=$component",
        ),
    ),
    "metric": Template(
        summary="Word error rate: edits for each word of the reference",
        use=(f"{_TRAIN} task.metric.name=$component",),
    ),
    "tracker": Template(
        summary="Write the metrics of a run to a CSV file",
        use=(f"{_TRAIN} trackers.$component={{}}",),
    ),
    "callback": Template(
        summary="Log the norm of the weights whenever it has changed",
        use=(f"{_TRAIN} callbacks.$component.every=1",),
        requires=("torch",),
    ),
    "launcher": Template(
        summary="Start the workers of a run as processes of this machine",
        use=(f"{_TRAIN} distributed.launcher.name=$component",),
    ),
    "exporter": Template(
        summary="Write weights as safetensors, beside a description in JSON",
        use=(f"{_TRAIN} --run-dir runs/some", f"{PROJECT} export runs/some --to $component --output exported"),
        requires=("safetensors",),
    ),
    "importer": Template(
        summary="Read weights from safetensors, beside a description in JSON",
        use=(f"{PROJECT} import FOLDER --from $component --run-dir runs/some", f"{PROJECT} predict runs/some"),
        requires=("safetensors",),
    ),
    "command": Template(
        summary="Show how a metric of a run developed",
        use=(f"{_TRAIN} --run-dir runs/some", f"{PROJECT} $component runs/some"),
        requires=("click",),
    ),
}  # fmt: skip

assert TEMPLATES.keys() == set(KINDS)
