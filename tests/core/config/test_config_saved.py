"""The configuration that a run has saved: plain values, which say nothing of places outside the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtrain.config.dump import to_yaml
from seqtrain.config.interpolate import escape
from seqtrain.config.resolve import resolve
from seqtrain.config.saved import is_saved
from seqtrain.errors import ConfigError
from seqtrain.registry.registry import Registry


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The path of a run's configuration, to be written."""
    run = tmp_path / "run"
    (run / "task").mkdir(parents=True)
    return run / "config.yaml"


@pytest.mark.parametrize("beside", ["environment.json", "checkpoints", "task"])
def test_a_configuration_is_saved_where_a_run_has_begun(tmp_path: Path, beside: str) -> None:
    """By what lies beside it, be that a link to nowhere; one that a user writes has another name or place."""
    file = tmp_path / "config.yaml"
    assert not is_saved(file)
    (tmp_path / beside).symlink_to(tmp_path / "nowhere")

    assert is_saved(file)
    assert not is_saved(tmp_path / "train.yaml")


@pytest.mark.parametrize(
    "text",
    ["${oc.env:HOME}", "a${data.seed}b", "${oc.decode:x}", "${", r"\\${data.seed}", r"\${a} ${data.seed}", "${.x}"],
)
@pytest.mark.fault("F7")
def test_an_interpolation_is_refused(registry: Registry, saved: Path, text: str) -> None:
    """It was replaced when the run began; whoever put one there wants something of the reader's machine."""
    saved.write_text(f"task: {{name: copy}}\ndata:\n  max_tokens: 3\ntrainer:\n  best_metric: {text}\n")

    with pytest.raises(ConfigError, match=r"config.yaml:5:16: a saved configuration holds plain values, so \$\{ is"):
        resolve(registry, config_file=saved)


@pytest.mark.parametrize("text", ["${oc.env:HOME}", r"\${", r"a\\${b}", "${a}${b}", "a$b"])
def test_a_text_with_a_mark_comes_back(registry: Registry, saved: Path, text: str) -> None:
    """A dump writes it escaped, so that it is read again as it was; a user's own settings are interpolated still."""
    config = resolve(registry, task="copy", overrides=["task.target_lang=" + escape(text)]).config
    saved.write_text(to_yaml(config))

    again = resolve(registry, config_file=saved, overrides=["task.source_lang=${data.seed}"]).config

    assert (text, "1") == (again.task.config.target_lang, again.task.config.source_lang)


OUTSIDE = """
task: {name: copy}
trainer: {stop_file: STOP, max_steps: 7}
data: {cache_dir: /elsewhere, seed: 3}
distributed: {launcher: {name: acme/none, folder: /elsewhere}, rendezvous: "evil:29500", workers: 2}
"""


def test_places_outside_the_run_are_left_out(registry: Registry, saved: Path) -> None:
    """What is written or removed there, and who starts the processes; the rest holds."""
    saved.write_text(OUTSIDE.replace("STOP", "/elsewhere/stop"))

    resolved = resolve(registry, config_file=saved)

    config = resolved.config
    assert (None, None, None) == (config.trainer.stop_file, config.data.cache_dir, config.distributed.launcher)
    assert config.distributed.rendezvous is None
    assert (7, 3, 2) == (config.trainer.max_steps, config.data.seed, config.distributed.workers)
    assert {
        "trainer.stop_file": f"{saved}:3:22",
        "data.cache_dir": f"{saved}:4:19",
        "distributed.launcher": f"{saved}:5:25",
        "distributed.rendezvous": f"{saved}:5:76",
    } == resolved.ignored


def test_what_the_user_types_holds(registry: Registry, saved: Path) -> None:
    """Over what was left out."""
    saved.write_text(OUTSIDE.replace("STOP", "/elsewhere/stop"))

    config = resolve(registry, config_file=saved, overrides=["data.cache_dir=mine", "trainer.stop_file=stop"]).config

    assert ("mine", "stop") == (config.data.cache_dir, config.trainer.stop_file)


def test_a_stop_file_in_the_run_stays(registry: Registry, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that only looks so: by `..`, or through a link."""
    run = saved.parent
    (run / "out").symlink_to(run.parent)
    monkeypatch.chdir(run.parent)
    for file, stays in [
        (f"{run}/stop", True),
        ("run/stop", True),
        ("stop", False),
        (f"{run}/../stop", False),
        (f"{run}/out/stop", False),
        (f"{run}-2/stop", False),
        ("~/stop", False),
    ]:
        saved.write_text(OUTSIDE.replace("STOP", file))
        config = resolve(registry, config_file=saved).config

        assert (file if stays else None) == config.trainer.stop_file


def test_a_file_of_the_user_may_say_all_of_it(registry: Registry, saved: Path) -> None:
    """The same text under another name."""
    file = saved.with_name("train.yaml")
    file.write_text("task: {name: copy}\ndata: {cache_dir: '${task.source_lang}'}\ntrainer: {stop_file: /a/stop}\n")

    resolved = resolve(registry, config_file=file)

    assert ("no", "/a/stop") == (resolved.config.data.cache_dir, resolved.config.trainer.stop_file)
    assert {} == resolved.ignored
