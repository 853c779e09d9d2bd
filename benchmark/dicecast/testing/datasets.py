"""The contract of a dataset, as named checks."""

from __future__ import annotations

from collections import Counter

import numpy as np

from dicecast.data.cases import SegmentationData
from dicecast.data.leaks import check_test_apart
from dicecast.errors import DatasetError
from dicecast.testing.checks import Contract
from dicecast.testing.common import settings_problem
from dicecast.testing.dataset_trial import OTHER_SIZE, SIZE, DatasetTrial
from dicecast.testing.global_state import what_moved

DATASET_CONTRACT: Contract[DatasetTrial] = Contract()
_rule = DATASET_CONTRACT.rule


@_rule(
    in_code="compute what the fields do not hold in load, not in the class",
    in_declaration="put @dataclass(frozen=True) under the registering decorator, use fields of "
    "plain JSON types or frozen dataclasses, and begin the docstring with a sentence.",
)
def settings(trial: DatasetTrial) -> str:
    """A dataset is a frozen dataclass whose fields identify it."""
    return settings_problem(trial.dataset)


@_rule(
    in_code="let load(root, size) return SegmentationData, and read the error above",
    in_declaration="if it reads a folder, name one with --data-root (root= in a test).",
)
def loads(trial: DatasetTrial) -> str:
    """Loading returns SegmentationData, whose arrays are uint8 and of one size."""
    data = trial.first.data
    return "" if isinstance(data, SegmentationData) else f"load returned a {type(data).__name__}."


@_rule(
    needs=["loads"],
    in_code="give every role some cases, test with at least one domain",
    in_declaration="let the keys of test be the values of the column 'domain' of their cases.",
)
def roles(trial: DatasetTrial) -> str:
    """There is a test set, and each one's cases name its domain."""
    if not trial.data.test:
        return "test is empty."
    for domain, cases in trial.data.test.items():
        named = sorted(set(cases.table["domain"].astype(str)))
        if named != [domain]:
            return f"the cases of the test set '{domain}' name the domains {', '.join(named)}."
    return ""


@_rule(
    needs=["loads"],
    in_code="make a stem from the role, the domain and the number of a case",
    in_declaration="leave out cases that come twice.",
)
def stems_unique(trial: DatasetTrial) -> str:
    """The name of a case is unique in the whole dataset."""
    counted = Counter(stem for _, cases in trial.data.roles() for stem in cases.stems)
    twice = [stem for stem, count in counted.items() if count > 1]
    return f"{len(twice)} names come more than once, such as '{twice[0]}'." if twice else ""


@_rule(
    needs=["stems_unique"],
    in_code="cut roles by patient (dicecast.data.splits.assign_roles), not by image",
    in_declaration="give all images of a patient one value in the column 'group'.",
)
def test_apart(trial: DatasetTrial) -> str:
    """No patient and no image of a test set is in another role."""
    try:
        check_test_apart(trial.data)
    except DatasetError as error:
        return " ".join(str(error).split())
    return ""


@_rule(
    needs=["loads"],
    in_code="resize images and masks to the size that load is given, (height, width)",
    in_declaration="raise a DatasetError that says which sizes there are.",
)
def sizes(trial: DatasetTrial) -> str:
    """Images have the height and width that were asked for."""
    for size, data in ((SIZE, trial.data), (OTHER_SIZE, trial.loaded(OTHER_SIZE).data)):
        if data.image_shape[:2] != size:
            return f"asked for {size}, images are {data.image_shape[:2]} (height, width)."
    return ""


@_rule(
    needs=["loads"],
    in_code="map the pixel values of mask files to class indices from 0 on",
    in_declaration="list in classes those that the masks have, the background first.",
)
def classes(trial: DatasetTrial) -> str:
    """Every class is named once, and the training masks have pixels of each."""
    names = trial.data.classes
    if len(names) < 2 or len(set(names)) < len(names):
        return f"the classes are {', '.join(names)}."
    seen = np.unique(np.asarray(trial.data.train.masks))
    missing = [name for index, name in enumerate(names) if index not in seen]
    return f"no pixel of a training mask is of {', '.join(missing)}." if missing else ""


@_rule(
    needs=["loads"],
    in_code="draw random numbers from numpy.random.default_rng(a field of the dataset)",
    in_declaration="make a field of what decides the cases, such as a seed.",
)
def load_again(trial: DatasetTrial) -> str:
    """Loaded twice, the pixels, names and order are the same."""
    same = trial.again.data.content_hash == trial.data.content_hash
    return "" if same else "the hash of the content is another the second time."


@_rule(
    needs=["load_again"],
    in_code="sort what a folder lists: sorted(folder.iterdir())",
    in_declaration="let a table of the dataset, not the folder, decide the order.",
)
def listing_order(trial: DatasetTrial) -> str:
    """The order in which folders list their files changes nothing."""
    same = trial.listed_backwards.data.content_hash == trial.data.content_hash
    return "" if same else "the hash of the content is another if files are listed backwards."


@_rule(
    needs=["load_again"],
    in_code="use a generator of your own, and give paths instead of changing the folder",
    in_declaration="make a field of what must differ.",
)
def global_state_untouched(trial: DatasetTrial) -> str:
    """Loading moves no global seed and no other state of the process."""
    moved = what_moved(trial.first.watch, trial.again.watch)
    return f"{', '.join(moved)} moved." if moved else ""
