import itertools
import json
import time

import pytest

from dicecast.harness.outcome import Failure
from dicecast.harness.profile_facts import commit, facts
from dicecast.harness.profiling import SECTIONS, Profile, profiled, section_of
from dicecast.harness.reporting import Reporter
from dicecast.harness.work import Work
from dicecast.networks import matrix_rate as matrix_rate_module
from dicecast.networks.inference import InferenceNetwork
from dicecast.networks.matrix_rate import matrix_rate
from dicecast.networks.operations import prediction_operations, training_operations
from dicecast.networks.unet import UNet
from dicecast.stopwatch import Spent, Stopwatch

SPENT = {
    ("import",): Spent(2.0),
    ("train", "trace"): Spent(1.0),
    ("train",): Spent(4.0, 100, 600),
    ("train", "validate"): Spent(1.0, 10, 20),
    ("heads", "forest", "import"): Spent(0.5),
    ("heads", "forest"): Spent(1.0),
    ("heads",): Spent(0.25, 30, 0),
    ("heads", "cnn", "train", "train"): Spent(2.0, 90, 180),
    ("heads", "cnn", "train", "trace"): Spent(1.5),
    ("heads", "cnn", "write"): Spent(0.75),
}
PROFILE = Profile("suite", "float32", 16.0, SPENT, {"float32": [90.0, 110.0]}, [])


@pytest.mark.parametrize(
    ("names", "section"),
    [
        (("train",), "train"),
        (("train", "train", "trace"), "trace"),
        (("train", "validate"), "validate"),
        (("heads",), "heads"),
        (("heads", "forest"), "heads"),
        (("heads", "cnn", "train", "validate"), "heads"),
        (("heads", "cnn", "train", "trace"), "trace"),
        (("heads", "write"), "write"),
        (("something", "else"), "else"),
    ],
)
def test_a_head_counts_what_it_trains_and_not_what_it_traces(names, section):
    assert section_of(names) == section


def test_sections_are_in_the_order_of_a_run_and_together_all_that_was_spent():
    assert list(PROFILE.sections) == list(SECTIONS)
    assert PROFILE.sections["train"] == Spent(4.0, 100, 600)
    assert PROFILE.sections["validate"] == Spent(1.0, 10, 20)
    assert PROFILE.sections["trace"] == Spent(2.5)
    assert PROFILE.sections["heads"] == Spent(3.25, 30, 180)
    assert PROFILE.heads == {"forest": Spent(1.0), "cnn": Spent(2.0, 90, 180)}
    assert sum(spent.seconds for spent in PROFILE.sections.values()) == 14.0
    assert PROFILE.unaccounted_seconds == 2.0


def test_efficiency_is_counted_operations_by_those_of_matrix_products():
    assert PROFILE.operations == 800
    assert PROFILE.matrix_rate == 100.0
    assert PROFILE.efficiency == 800 / (16.0 * 100.0)


def test_facts_are_json_with_rates_and_shares():
    failure = Failure("softmax", 0, "forest", "by design")
    profile = Profile("suite", "float32", 16.0, SPENT, {"float32": [90.0, 110.0]}, [failure])
    found = json.loads(json.dumps(facts(profile)))
    train = found["sections"]["train"]
    assert train["images_per_second"] == 25.0
    assert train["operations_per_second"] == 150.0
    assert train["share_of_matrix_rate"] == 1.5
    assert train["share"] == 0.25
    assert found["sections"]["import"]["images_per_second"] is None
    assert found["sections"]["unaccounted"]["seconds"] == 2.0
    assert sum(row["share"] for row in found["sections"].values()) == 1.0
    assert found["efficiency"] == 0.5
    assert found["failures"] == ["softmax seed 0, head forest: by design"]
    assert {"cores", "python"} <= set(found["machine"])
    assert "numpy" in found["versions"]


def test_a_folder_that_git_does_not_know_has_no_commit(tmp_path):
    assert commit(tmp_path) is None


@pytest.fixture(scope="module")
def profiles(tiny, tmp_path_factory) -> list[Profile]:
    """A part of the tiny suite: into an empty store, then from the store that this filled."""
    folder = tmp_path_factory.mktemp("profiled")
    suite = tiny.with_estimators(["softmax", "mc_dropout", "deep_ensemble"])
    heads = tuple(part for part in suite.heads if part.name == "two_stage")[:1]
    work = Work(suite.model_copy(update={"heads": heads}), folder / "store", folder / "results")
    made = []
    for _ in range(2):
        with Stopwatch().listening() as watch:
            made.append(profiled(work, watch, Reporter(), time.perf_counter()))
    return made


def test_the_work_of_a_run_is_counted_once(profiles, tiny):
    sections = profiles[0].sections
    network = UNet(**tiny.backbone.settings).build((*tiny.image_size, 3), 2)
    dropout = UNet(**tiny.backbone.settings, dropout_rate=0.3).build((*tiny.image_size, 3), 2)
    train, validation, quality, test, shifted, epochs, trainings = 64, 16, 40, 40, 16, 6, 3

    images = trainings * epochs * train
    assert sections["train"].images == images
    assert sections["train"].operations == images * training_operations(network)
    images = trainings * epochs * validation
    assert sections["validate"].images == images
    assert sections["validate"].operations == images * prediction_operations(network)
    images = validation + quality + test + shifted
    # One draw of softmax, two of the ensemble; four of dropout.
    draws = 3 * prediction_operations(network) + InferenceNetwork(dropout).operations(4)
    assert sections["sample"].images == 3 * images
    assert sections["sample"].operations == images * draws
    assert sections["aggregate"].images == 3 * (images - validation)
    assert sections["data"].images == train + images
    assert sections["heads"].images == 3 * quality
    assert list(profiles[0].heads) == ["two_stage/image+mask+map"]
    assert sections["heads"].operations > 0
    assert profiles[0].operations == sum(spent.operations for spent in sections.values())


def test_no_time_is_counted_twice(profiles):
    for profile in profiles:
        assert min(spent.seconds for spent in profile.sections.values()) >= 0.0
        assert 0.0 <= profile.unaccounted_seconds < profile.wall_seconds


def test_a_run_from_the_store_reads_and_computes_nothing(profiles):
    sections = profiles[1].sections
    worked = {name for name, spent in sections.items() if spent.seconds or spent.images}
    assert worked == {"import", "score", "read", "write"}
    assert profiles[1].operations == profiles[1].efficiency == 0.0
    assert len(profiles[0].matrix_rates["float32"]) == 2


def test_the_rate_of_matrix_products_is_what_a_turn_computes_by_its_seconds(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(matrix_rate_module.time, "perf_counter", lambda: float(next(ticks)))
    # Each turn seems to take a second, the first of two products: five turns of 10 s take 20 each.
    assert matrix_rate("float32", side=8, seconds=50.0) == 20 * 2 * 8**3
    assert matrix_rate("bfloat16", side=4, seconds=0.0) == 2 * 4**3
