from __future__ import annotations

import io
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dicecast import stacks
from dicecast.scratch import ScratchFile
from dicecast.stacks import ArrayFile, LazyStack, Stack, chunks, select, write_npy


def in_file(array: np.ndarray) -> ArrayFile[Any]:
    """The array in a .npy file, whose name is gone before a row of it is read."""
    with tempfile.TemporaryFile() as file:
        np.save(file, array)
        file.seek(0)
        return ArrayFile.of(file)


class Doubled(LazyStack[np.float64]):
    """Computes its rows: the double of an array's."""

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(array.shape, np.dtype(np.float64))
        self.array = array

    def read(self, rows):
        return 2 * self.array[rows].astype(np.float64)


arrays = hnp.arrays(
    st.sampled_from([np.uint8, np.float32, np.int64, np.bool_]),
    hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=7),
    elements={"allow_nan": False},
)


def keys(count: int) -> st.SearchStrategy[Any]:
    """Everything that picks rows of ``count``, also what is out of range."""
    numbers = st.integers(-count - 1, count)
    return st.one_of(
        st.slices(count),
        st.just(Ellipsis),
        numbers,
        st.lists(numbers, max_size=9).map(lambda rows: np.array(rows, np.intp)),
        hnp.arrays(np.intp, hnp.array_shapes(max_dims=2, max_side=4), elements=numbers),
        hnp.arrays(np.bool_, st.one_of(st.just(count), st.integers(0, count + 1))),
    )


def result(stack: Any, key: Any) -> Any:
    try:
        return np.asarray(stack[key])
    except IndexError:
        return IndexError


def assert_alike(found: Any, expected: Any) -> None:
    if expected is IndexError:
        assert found is IndexError
        return
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@given(st.data(), arrays)
def test_rows_of_a_file_are_picked_as_numpy_picks_them(data, array):
    stack = in_file(array)
    assert (stack.shape, stack.dtype, len(stack)) == (array.shape, array.dtype, len(array))
    key = data.draw(keys(len(array)))
    assert_alike(result(stack, key), result(array, key))


@given(st.data(), arrays)
def test_rows_of_a_selection_are_those_of_numpys(data, array):
    for stack, plain in ((in_file(array), array), (Doubled(array), array.astype(np.float64) * 2)):
        first = data.draw(st.slices(len(array)))
        part, expected = select(stack, first), plain[first]
        assert isinstance(part, LazyStack)
        assert part.shape == expected.shape
        key = data.draw(keys(len(expected)))
        assert_alike(result(part, key), result(expected, key))


@given(st.data(), arrays.filter(lambda array: array.dtype != bool))
def test_rows_of_a_scratch_file_are_set_as_numpy_sets_them(data, array):
    stack = ScratchFile(array.shape, array.dtype)
    stack[:] = array
    key = data.draw(keys(len(array)))
    value = data.draw(st.sampled_from([7, "rows"]))
    array = array.copy()
    if result(array, key) is IndexError:
        with pytest.raises(IndexError):
            stack[key] = 7
    else:
        values = array[key][...] + 1 if value == "rows" else 7
        array[key], stack[key] = values, values
    np.testing.assert_array_equal(stack, array)


@given(arrays)
def test_what_is_written_is_what_numpy_writes(array):
    expected, found = io.BytesIO(), io.BytesIO()
    np.save(expected, array)
    write_npy(found, in_file(array))
    assert found.getvalue() == expected.getvalue()


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_chunks_cover_every_row_once(rows, monkeypatch):
    monkeypatch.setattr(stacks, "CHUNK_BYTES", 40)
    array = np.arange(rows * 10, dtype=np.uint8).reshape(rows, 10)
    found = [array[part] for part in chunks(array)]
    assert all(0 < part.nbytes <= 40 for part in found)
    np.testing.assert_array_equal(np.concatenate([array[:0], *found]), array)
    large = np.zeros((3, 50), np.uint8)
    assert [large[part].shape for part in chunks(large)] == [(1, 50)] * 3


def test_a_selection_of_an_array_is_numpys_and_a_slice_of_it_a_view():
    array = np.arange(12).reshape(4, 3)
    part: Stack[Any] = select(array, slice(1, 3))
    assert np.shares_memory(part, array)
    np.testing.assert_array_equal(select(array, np.array([2, 0])), array[[2, 0]])


def test_the_whole_is_an_array_for_whoever_asks_numpy():
    array = np.arange(12, dtype=np.uint8).reshape(4, 3)
    stack = in_file(array)
    np.testing.assert_array_equal(np.mean(stack, axis=1), array.mean(axis=1))
    assert np.asarray(stack, np.float32).dtype == np.float32
    assert [row.tolist() for row in stack] == array.tolist()
    with pytest.raises(ValueError, match="without a copy"):
        np.array(stack, copy=False)


@pytest.mark.parametrize("key", [(0, 1), (slice(None), 0), "a", 1.5])
def test_what_picks_no_rows_is_refused(key):
    with pytest.raises((IndexError, TypeError)):
        in_file(np.zeros((3, 3)))[key]


def test_files_in_another_form_are_refused(tmp_path):
    path = tmp_path / "array.npy"
    refused = {
        "fortran": np.asfortranarray(np.zeros((3, 4))),
        "no rows": np.array(3.0),
        "objects": np.array([{}, None], dtype=object),
    }
    for array in refused.values():
        np.save(path, array, allow_pickle=True)
        with path.open("rb") as file, pytest.raises(ValueError, match=r"rows of numbers"):
            ArrayFile.of(file)
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.zeros(3), version=(2, 0))
    with path.open("rb") as file, pytest.raises(ValueError, match=r"version \(1, 0\)"):
        ArrayFile.of(file)


def test_a_file_that_is_cut_short_is_refused_and_never_read_as_zeros(tmp_path):
    path = tmp_path / "array.npy"
    np.save(path, np.ones((50, 100)))
    with path.open("rb") as file:
        stack = ArrayFile.of(file)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(OSError, match="cut short"):
        stack[49]
    with path.open("rb") as file, pytest.raises(ValueError, match=f"{len(content) - 1} bytes"):
        ArrayFile.of(file)


def test_objects_are_not_written():
    with pytest.raises(ValueError, match="Object arrays"):
        write_npy(io.BytesIO(), np.array([{}], dtype=object))


def test_an_open_file_is_not_sent_to_another_process():
    with pytest.raises(TypeError, match="another process"):
        pickle.dumps(in_file(np.zeros(3)))


def test_the_file_is_closed_with_the_last_stack_that_reads_it():
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to count open files")
    before = opened()
    part = select(in_file(np.arange(9)), slice(3, 6))
    assert opened() == before + 1
    np.testing.assert_array_equal(part, [3, 4, 5])
    del part
    assert opened() == before
