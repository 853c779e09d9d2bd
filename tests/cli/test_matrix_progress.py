import io

import pytest
from rich.console import Console

from dicecast.cli.matrix_progress import LineWatcher, LiveWatcher, watcher_for
from dicecast.harness.outcome import Failure, Finished, RunKey
from dicecast.harness.stages import Done, Failed, HeadStage, Needs, PredictStage, TrainStage
from dicecast.records import Record, Sidecar

KEYS = [RunKey("softmax", 0), RunKey("mc_dropout", 0), RunKey("deep_ensemble", 1)]
TRAIN = TrainStage(KEYS[0], "a" * 64)


def failed(key: RunKey) -> Finished:
    settings = {"failure_threshold": 0.8, "bootstrap": {}, "status": "failed", "error": "no luck"}
    sidecar = Sidecar(suite="tiny", estimator=key.estimator, seed=key.seed, **settings)
    return Finished(Record(sidecar, None), [Failure(*key, "", "no luck")])


def play(watcher) -> None:
    """Play a run: one training lost and begun again, one prediction, one head, one record."""
    watcher.begin(KEYS, 2)
    watcher.workers(2)
    for stage in (PredictStage(KEYS[0]), PredictStage(KEYS[1]), TRAIN):
        watcher.ready(stage)
    watcher.ended(PredictStage(KEYS[0]), Needs(("a" * 64,)))
    watcher.note(str(TRAIN), "0", "")
    watcher.note(str(TRAIN), "0", "50% 99 images/s loss 0.5")
    watcher.note(str(TRAIN), "1", "")
    watcher.ready(HeadStage(KEYS[1], 0))
    watcher.ready(HeadStage(KEYS[1], 1))
    watcher.ended(PredictStage(KEYS[1]), Done())
    watcher.ended(HeadStage(KEYS[1], 0), Done())
    watcher.finished(failed(KEYS[2]))


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def test_lines_say_what_ended_and_what_was_lost(output):
    watcher = LineWatcher(Console(file=output, width=80))
    play(watcher)
    watcher.ended(TRAIN, Failed("it diverged"))
    lines = output.getvalue().splitlines()
    assert lines[0] == "train backbone aaaaaaaaaaaa: its worker was lost; it runs again on worker 1"
    assert lines[1].startswith("predict mc_dropout seed 0: 0 s on worker")
    assert lines[2] == "[1/3] deep_ensemble seed 1: failed: no luck"
    assert lines[3] == "train backbone aaaaaaaaaaaa: failed: it diverged, 0 s on worker 1"


def test_the_display_holds_the_whole_matrix(output):
    console = Console(file=output, width=80, height=30, force_terminal=True)
    watcher = watcher_for(console)
    assert isinstance(watcher, LiveWatcher)
    play(watcher)
    shown = "\n".join(
        "".join(part.text for part in line)
        for line in console.render_lines(watcher.table(), pad=False)
    )
    watcher.end()
    assert "1 of 3 runs done, 1 stages on 2 workers" in shown
    [softmax] = [line for line in shown.splitlines() if line.startswith("softmax seed 0")]
    assert "training" in softmax
    assert "train on worker 1" in softmax
    assert "mc_dropout seed 0  1/2 heads" in shown
    assert "deep_ensemble" not in shown
    assert "deep_ensemble seed 1: failed: no luck" in output.getvalue()


def test_a_matrix_longer_than_the_terminal_shows_what_runs(output):
    console = Console(file=output, width=80, height=8, force_terminal=True)
    watcher = LiveWatcher(console)
    keys = [RunKey("softmax", seed) for seed in range(20)]
    watcher.begin(keys, 0)
    for key in keys:
        watcher.ready(PredictStage(key))
    watcher.note(str(PredictStage(keys[19])), "0", "")
    lines = console.render_lines(watcher.table(), pad=False)
    watcher.end()
    texts = ["".join(part.text for part in line).strip() for line in lines]
    assert len(texts) <= 8
    assert texts[1].startswith("softmax seed 19  predicting  predict on worker 0")
    assert texts[-1] == "and 16 more"
