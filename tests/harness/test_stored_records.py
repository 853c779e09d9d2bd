import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dicecast.harness.matrix import Matrix
from dicecast.harness.outcome import Failure, Finished, RunKey
from dicecast.harness.run import SuiteRun
from dicecast.harness.stored_records import files_below, keras_settings
from dicecast.harness.work import Work
from dicecast.plugins import add_plugin_file
from dicecast.store import Store
from dicecast.suite import Part, QualityFit

SOFTMAX = RunKey("softmax", 0)


@pytest.fixture
def work(finished, tiny, tmp_path) -> Work:
    """The tiny suite with every stage in its store, and what is run of it."""
    return Work(tiny.with_estimators(["softmax"]), finished / "store", tmp_path / "results")


def compute(work: Work):
    run = SuiteRun(work.suite, Store(work.store), work.results, work.data_root, debug=work.debug)
    return run.finished


def forbidden(keys):
    raise AssertionError(f"{keys} must not be computed")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_stored_record_is_written_as_it_was_computed(work, tmp_path):
    assert Matrix(work).run(compute(work)) == []
    again = replace(work, results=tmp_path / "again")
    matrix = Matrix(again)
    assert (matrix.stored, matrix.missing) == ([SOFTMAX], [])
    assert matrix.run(lambda keys: forbidden(keys) if keys else []) == []
    assert files(again.results) == files(work.results)


def changed_suites(tiny):
    softmax = tiny.with_estimators(["softmax"])
    heads = (*tiny.heads[:-1], tiny.heads[-1].model_copy(update={"label": "renamed"}))
    yield softmax.model_copy(update={"seeds": (5,)})
    yield softmax.model_copy(update={"image_size": (48, 32)})
    yield softmax.model_copy(update={"heads": tiny.heads[:-1]})
    yield softmax.model_copy(update={"heads": heads})
    yield softmax.model_copy(update={"backbone": Part(name="unet", settings={"width": 5})})
    yield softmax.model_copy(update={"training": tiny.training.model_copy(update={"epochs": 7})})
    yield softmax.model_copy(update={"quality_fit": QualityFit(protocol="out_of_fold")})
    yield tiny.with_estimators(["random"])


def test_what_changes_the_numbers_finds_no_record(work, tiny):
    Matrix(work).run(compute(work))
    for suite in changed_suites(tiny):
        assert Matrix(replace(work, suite=suite)).stored == []


def test_what_changes_no_number_is_as_the_suite_says_now(work, tiny, tmp_path):
    Matrix(work).run(compute(work))
    renamed = Part(name="softmax", label="plain")
    changes = {"name": "other", "failure_threshold": 0.7, "estimators": (renamed,)}
    suite = tiny.model_copy(update=changes)
    matrix = Matrix(replace(work, suite=suite, results=tmp_path / "other"))
    assert matrix.missing == []
    written = (tmp_path / "other" / "other" / "records" / "plain" / "seed-0.json").read_text()
    assert '"failure_threshold": 0.7' in written
    assert '"suite": "other"' in written


def test_another_package_device_or_backend_finds_no_record(work, monkeypatch):
    Matrix(work).run(compute(work))
    where = "dicecast.harness.stored_records"
    for name, value in (
        ("package_versions", lambda: {"keras": "0.1"}),
        ("code_version", lambda *parts: "edited"),
        ("accelerator_present", lambda: True),
        ("keras_settings", lambda: {"backend": "jax"}),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(f"{where}.{name}", value)
            assert Matrix(work).stored == [], name
    assert Matrix(work).stored == [SOFTMAX]


def test_an_edited_plugin_finds_no_record(finished, tiny, tmp_path):
    path = tmp_path / "edited.py"
    source = (Path(__file__).parent.parent / "plugins" / "tempered.py").read_text()
    path.write_text(source.replace('"tempered"', '"edited"'))
    add_plugin_file(path)
    suite = tiny.with_estimators(["edited"]).model_copy(update={"heads": ()})
    work = Work(suite, finished / "store", tmp_path / "results", plugins=(path,))
    Matrix(work).run(compute(work))
    assert Matrix(work).missing == []
    code = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from dicecast.harness.matrix import Matrix; from dicecast.harness.work import Work\n"
        "from dicecast.suite import Suite\n"
        f"suite = Suite.model_validate_json({suite.model_dump_json()!r})\n"
        f"work = Work(suite, Path({str(work.store)!r}), Path({str(work.results)!r}),\n"
        f"            plugins=(Path({str(path)!r}),))\n"
        "work.load_plugins()\n"
        "sys.exit(len(Matrix(work).missing))"
    )
    for text, missing in ((path.read_text(), 0), (path.read_text() + "\n", 1)):
        path.write_text(text)
        done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
        assert done.returncode == missing, done.stderr


def test_what_failed_is_tried_again(work, tiny):
    # Other heads keep this record apart from those of the other tests.
    work = replace(work, suite=work.suite.model_copy(update={"heads": tiny.heads[:1]}))
    run = compute(work)
    failure = Failure("softmax", 0, "constant", "no luck")
    failing = [Finished(finished.record, [failure]) for finished in run([SOFTMAX])]
    assert Matrix(work).run(lambda keys: failing) == [failure]
    assert Matrix(work).missing == [SOFTMAX]
    assert Matrix(work).run(run) == []
    assert Matrix(work).missing == []


def test_a_changed_file_changes_the_listing(tmp_path):
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "a.png"
    image.write_bytes(b"one")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    before = list(files_below(tmp_path))
    assert [path for path, _, _ in before] == ["nowhere", "images/a.png"]
    os.utime(image, ns=(0, 1))
    assert list(files_below(tmp_path)) != before


@pytest.mark.parametrize(
    ("variable", "content", "backend"),
    [
        (None, None, "tensorflow"),
        (None, "{", "tensorflow"),
        (None, '{"backend": "jax"}', "jax"),
        ("torch", '{"backend": "jax"}', "torch"),
    ],
)
def test_keras_settings_are_read_as_keras_reads_them(
    variable, content, backend, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if variable:
        monkeypatch.setenv("KERAS_BACKEND", variable)
    if content:
        (tmp_path / "keras.json").write_text(content)
    assert keras_settings() == {"backend": backend, "floatx": "float32", "epsilon": 1e-7}
