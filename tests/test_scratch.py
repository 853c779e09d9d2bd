from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dicecast import scratch
from dicecast.errors import DicecastError
from dicecast.scratch import ScratchFile, new_stack


def test_few_bytes_stay_in_memory_and_many_do_not():
    assert isinstance(new_stack((2, 3), np.uint8, scratch.IN_MEMORY), np.ndarray)
    stack = new_stack((2, 3), np.uint8, scratch.IN_MEMORY + 1)
    assert isinstance(stack, ScratchFile)
    assert (stack.shape, stack.dtype) == ((2, 3), np.uint8)


def test_the_file_lies_in_the_named_folder_and_has_no_name(tmp_path, monkeypatch):
    monkeypatch.setenv(scratch.FOLDER_VARIABLE, str(tmp_path))
    stack = ScratchFile((4, 5), np.dtype(np.float32))
    stack[1] = np.arange(5)
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(stack[1], np.arange(5))
    monkeypatch.setenv(scratch.FOLDER_VARIABLE, str(tmp_path / "missing"))
    with pytest.raises(DicecastError, match=rf"{tmp_path}/missing.*{scratch.FOLDER_VARIABLE}"):
        ScratchFile((4, 5), np.dtype(np.float32))


def test_threads_write_rows_of_their_own():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 255, (300, 4, 4)).astype(np.uint8)
    stack = ScratchFile(array.shape, array.dtype)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: stack.__setitem__(row, array[row]), rng.permutation(300)))
    np.testing.assert_array_equal(stack, array)


FULL_DISK = """
import resource
import numpy as np
from dicecast.errors import DicecastError
from dicecast.scratch import ScratchFile
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    ScratchFile((5, 1000), np.dtype(np.uint8))
except DicecastError as error:
    print(error)
"""

READS_MUCH = """
import resource, sys
import numpy as np
from dicecast.scratch import ScratchFile
from dicecast.stacks import chunks
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
stack = ScratchFile((4096, 256, 256), np.dtype(np.uint8))
for rows in chunks(stack):
    stack[rows] = 3
total = sum(int(stack[rows].sum()) for rows in chunks(stack))
total += sum(int(stack[np.arange(start, 4096, 256)].sum()) for start in range(256))
assert total == 2 * 3 * 4096 * 256 * 256, total
print(peak() - before)
"""


def output(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_disk_without_space_is_an_error_before_the_work(tmp_path):
    message = output(FULL_DISK, tmp_path)
    assert "cannot hold them" in message
    assert scratch.FOLDER_VARIABLE in message


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is in other units elsewhere")
def test_a_quarter_of_a_gigabyte_is_written_and_read_in_little_memory(tmp_path):
    assert int(output(READS_MUCH, tmp_path)) < 80
