"""What a terminal shows, and where the log goes."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest
from rich.console import Console

from seqtrain.metrics.append_file import AppendFile
from seqtrain.metrics.console import NoProgressBar, TerminalProgressBar, start_logging, wants_bar


@pytest.fixture(autouse=True)
def quiet_afterwards():
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if each.get_name() == "seqtrain"]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(logging.WARNING)


def test_a_terminal_shows_steps_loss_and_rate() -> None:
    """The bar starts where a resumed run stands."""
    text = io.StringIO()
    bar = TerminalProgressBar(Console(file=text, force_terminal=True, width=120))
    with bar.showing(40, 100):
        bar.advance()
        bar.show({"train/loss": 2.5, "train/tokens_per_s": 4321.0})
        bar.show({"valid/loss": 9.9})

    shown = text.getvalue()
    assert "41/100" in shown
    assert "loss 2.500  4,321 tokens/s" in shown
    assert "9.9" not in shown


def test_without_a_terminal_nothing_is_shown() -> None:
    """The null object takes everything and does nothing."""
    bar = NoProgressBar()
    with bar.showing(0, None):
        bar.advance()
        bar.show({"train/loss": 1.0})


@pytest.mark.parametrize(
    ("setting", "terminal", "bar"),
    [("auto", True, True), ("auto", False, False), ("bar", False, True), ("plain", True, False)],
)
def test_a_bar_is_for_terminals_unless_set_otherwise(
    setting: str, terminal: bool, bar: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`logging.progress` decides, and auto looks at stderr."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)

    assert bar == wants_bar(setting)


@pytest.mark.parametrize(("progress", "kind"), [("plain", NoProgressBar), ("bar", TerminalProgressBar)])
def test_the_log_goes_to_the_file_too_and_only_once(progress: str, kind: type, tmp_path: Path) -> None:
    """Starting again replaces what was started before; messages below the level are left out."""
    for _ in range(2):
        bar = start_logging("warning", progress, AppendFile(tmp_path / "train.log"))
    logging.getLogger("seqtrain.test").warning("noted %d", 7)
    logging.getLogger("seqtrain.test").info("not noted")

    lines = (tmp_path / "train.log").read_text().splitlines()
    assert isinstance(bar, kind)
    assert 1 == len(lines)
    assert lines[0].endswith("WARNING noted 7")
