"""The graph is driven by a model of the stages, in every order that Hypothesis thinks of."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicecast.cluster.stage_graph import StageGraph
from dicecast.errors import DicecastError
from dicecast.harness.outcome import RunKey
from dicecast.harness.stages import (
    Done,
    Failed,
    HeadStage,
    Needs,
    PredictStage,
    RecordStage,
    TrainStage,
    Unfitted,
)

KEYS = [RunKey(f"estimator{number}", seed) for seed in (0, 1) for number in range(3)]
BACKBONES = st.lists(st.sampled_from("abcd"), unique=True, max_size=3)


class Model:
    """Says what each stage would come to: runs ask for backbones one list after another."""

    def __init__(self, asked, broken, head_broken):
        self.asked, self.broken, self.head_broken = asked, broken, head_broken
        self.trained = set()
        self.computed = []

    def outcome(self, stage):
        self.computed.append(stage)
        match stage:
            case TrainStage():
                assert stage.backbone[1:] == str(stage.fold or "")
                if stage.backbone in self.broken:
                    return Failed(f"{stage.backbone} diverged")
                self.trained.add(stage.backbone)
            case PredictStage():
                for backbones in self.asked[stage.key]:
                    # Without a fold, other data, so other backbones of the same estimator.
                    mine = [f"{backbone}{stage.fold or ''}" for backbone in backbones]
                    missing = tuple(b for b in mine if b not in self.trained)
                    if missing:
                        return Needs(missing, stage.fold)
            case HeadStage() if stage.number == self.head_broken:
                return Done(Unfitted("no luck", failed=True))
        return Done()


def drive(graph, model, pick):
    ready = graph.first()
    while ready:
        stage = ready.pop(pick(len(ready)))
        ready += graph.after(stage, model.outcome(stage))
    return model.computed


@given(
    asked=st.fixed_dictionaries({key: st.lists(BACKBONES, max_size=2) for key in KEYS}),
    broken=st.sets(st.sampled_from("abcd"), max_size=2),
    heads=st.integers(0, 3),
    folds=st.integers(0, 2),
    data=st.data(),
)
def test_every_run_ends_in_one_record_and_no_backbone_is_trained_twice(
    asked, broken, heads, folds, data
):
    model = Model(asked, broken, head_broken=1)
    graph = StageGraph(KEYS, heads, folds)
    computed = drive(graph, model, lambda size: data.draw(st.integers(0, size - 1)))

    trainings = Counter(stage.backbone for stage in computed if isinstance(stage, TrainStage))
    assert set(trainings.values()) <= {1}
    records = {stage.key: stage for stage in computed if isinstance(stage, RecordStage)}
    assert Counter(s.key for s in computed if isinstance(s, RecordStage)) == Counter(KEYS)
    for key, record in records.items():
        reachable = [set(backbones) for backbones in asked[key]]
        fails = any(broken & backbones for backbones in reachable)
        assert bool(record.error) == fails
        mine = [stage for stage in computed if stage.key == key]
        fitted = [stage.number for stage in mine if isinstance(stage, HeadStage)]
        if fitted:
            first = next(place for place, s in enumerate(mine) if isinstance(s, HeadStage))
            predicted = {s.fold for s in mine[:first] if isinstance(s, PredictStage)}
            assert predicted == set(range(folds + 1))
            assert not any(isinstance(s, PredictStage) for s in mine[first:])
        assert sorted(fitted) == ([] if fails else list(range(heads)))
        assert record.columnless == (
            ((1, Unfitted("no luck", failed=True)),) if heads > 1 and not fails else ()
        )


def test_backbones_of_several_runs_are_ready_at_once():
    graph = StageGraph(KEYS[:2], 0)
    first, second = graph.first()
    asked = graph.after(first, Needs(("a", "b")))
    assert asked == [TrainStage(KEYS[0], "a"), TrainStage(KEYS[0], "b")]
    assert graph.after(second, Needs(("b", "c"))) == [TrainStage(KEYS[1], "c")]
    assert graph.after(asked[1], Done()) == []
    assert graph.after(asked[0], Done()) == [first]


def test_a_failed_prediction_is_a_record_with_its_reason():
    graph = StageGraph(KEYS[:1], 2)
    [first] = graph.first()
    assert graph.after(first, Failed("no luck")) == [RecordStage(KEYS[0], "no luck")]


def test_a_head_whose_worker_died_is_a_failed_head():
    graph = StageGraph(KEYS[:1], 1)
    [head] = graph.after(graph.first()[0], Done())
    [record] = graph.after(head, Failed("the worker died"))
    assert record.columnless == ((0, Unfitted("the worker died", failed=True)),)


def test_a_store_that_is_not_shared_is_said():
    graph = StageGraph(KEYS[:1], 0)
    [first] = graph.first()
    [training] = graph.after(first, Needs(("a",)))
    assert graph.after(training, Done()) == [first]
    with pytest.raises(DicecastError, match="a store that all workers share"):
        graph.after(first, Needs(("a",)))


def test_a_record_that_cannot_be_made_stops_the_run():
    graph = StageGraph(KEYS[:1], 0)
    with pytest.raises(DicecastError, match="disk full"):
        graph.after(RecordStage(KEYS[0]), Failed("disk full"))
