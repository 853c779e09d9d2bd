import pytest

from dicecast.cluster.settings import (
    BatchSystem,
    LocalWorkers,
    Scheduler,
    cluster_of,
    load_cluster,
)
from dicecast.errors import DicecastError

SLURM = """
system = "slurm"
workers = 8
cores = 4
memory = "16 GB"
walltime = "02:00:00"
queue = "gpu"
directives = ["--gres=gpu:1"]
prologue = ["source env/bin/activate"]

[resources]
GPU = 1
"""


def written(tmp_path, text):
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    return path


def test_a_slurm_file_is_read(tmp_path):
    settings = load_cluster(written(tmp_path, SLURM))
    assert isinstance(settings, BatchSystem)
    assert (settings.workers, settings.cores, settings.resources) == (8, 4, {"GPU": 1.0})


def test_the_options_say_which_cluster(tmp_path):
    assert cluster_of(3, "", None) == LocalWorkers(workers=3)
    assert cluster_of(0, "tcp://a:1", None) == Scheduler(address="tcp://a:1")
    path = written(tmp_path, 'system = "dask"\naddress = "tls://b:2"\nresources = {MEMORY = 8e9}\n')
    assert cluster_of(0, "", path) == Scheduler(address="tls://b:2", resources={"MEMORY": 8e9})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("workers = ", "not valid TOML"),
        ("workers = 3", "Known: dask, local, lsf, pbs, sge, slurm"),
        ('system = "slrum"', "Did you mean 'slurm'?"),
        (SLURM.replace("walltime", "waltime"), "Did you mean 'walltime'?"),
        (SLURM.replace("cores = 4", 'cores = "4"'), "cores"),
        (SLURM.replace("cores = 4", "cores = 0"), "greater than or equal to 1"),
        (SLURM.replace("16 GB", "16"), "memory"),
        (SLURM.replace("GPU = 1", "GPU = 0"), "greater than 0"),
        ('system = "slurm"\nworkers = 1\ncores = 1\n', "memory: Field required"),
        ('system = "dask"\naddress = "10.0.0.1:8786"\n', "address"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(DicecastError, match=r"cluster\.toml") as raised:
        load_cluster(path)
    assert said in str(raised.value)


@pytest.mark.parametrize(("workers", "scheduler"), [(-1, ""), (0, "10.0.0.1")])
def test_a_wrong_option_is_one_message(workers, scheduler):
    with pytest.raises(DicecastError, match="--workers takes a number"):
        cluster_of(workers, scheduler, None)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DicecastError, match="nowhere"):
        load_cluster(tmp_path / "nowhere.toml")
