"""Stacks: arrays with one row a case, which need not fit into memory."""

from __future__ import annotations

import itertools
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, BinaryIO, Generic, Protocol, Self, TypeVar, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

Scalar_co = TypeVar("Scalar_co", bound=np.generic, covariant=True)
T = TypeVar("T", bound=np.generic)

CHUNK_BYTES = 2**24
"""How much of a stack is held at once by what goes through all of it."""


class Stack(Protocol[Scalar_co]):
    """An array of one row a case, in memory (any ``ndarray``) or not (a ``LazyStack``).

    Index its rows, ``stack[rows]``, and what comes is an ordinary array; ``np.asarray(stack)``
    holds all of it at once.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, then the shape of a row."""
        ...

    @property
    def dtype(self) -> np.dtype[Scalar_co]:
        """The type of its numbers."""
        ...

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def __getitem__(self, rows: Any, /) -> Any:
        """Return the array of some rows: a slice, an index, an array of indices or of bool."""
        ...


class LazyStack(ABC, Generic[T]):
    """A stack whose rows are read or computed whenever they are asked for, and not kept.

    Args:
        shape: Number of rows, then the shape of a row.
        dtype: The type of its numbers.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[T]) -> None:
        self._rows = np.arange(shape[0])
        self.row_shape, self.dtype = shape[1:], dtype

    @abstractmethod
    def read(self, rows: NDArray[np.intp]) -> NDArray[T]:
        """Return the rows of these numbers, each in range, as ``(len(rows), *row_shape)``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, then the shape of a row."""
        return len(self._rows), *self.row_shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> NDArray[T]:
        # NumPy picks the row numbers, so keys mean, and are refused, as for an array's first axis.
        rows = np.asarray(self._rows[key])
        return self.read(rows.ravel()).reshape((*rows.shape, *self.row_shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a stack that is not in memory cannot become an array without a copy")
        return np.asarray(self[:], dtype=dtype)

    def select(self, key: Any) -> Self:
        """Return the stack of some of the rows, without reading them."""
        part = object.__new__(type(self))
        part.__dict__ = self.__dict__ | {"_rows": self._rows[key]}
        return part


class ArrayFile(LazyStack[T]):
    """A stack whose rows lie in a file, one after another, in C order.

    Rows are read, not mapped: the touched pages of a memory map count as this process' memory. The
    file is held open, so it may be renamed or removed meanwhile.

    Args:
        descriptor: Of the open file; closed with the last stack that reads it.
        start: Where in the file the first row begins, in bytes.
        shape: Number of rows, then the shape of a row.
        dtype: The type of its numbers.
    """

    def __init__(
        self, descriptor: int, start: int, shape: tuple[int, ...], dtype: np.dtype[T]
    ) -> None:
        super().__init__(shape, dtype)
        self._file, self._start = _File(descriptor), start
        self._row_bytes = nbytes(self.row_shape, dtype)

    @classmethod
    def of(cls, file: BinaryIO) -> Self:
        """Return the array in a .npy file, which may be closed afterwards.

        Raises:
            ValueError: The file is in no form that ``write_npy`` writes, or is cut short.
        """
        version = npy.read_magic(file)
        if version != (1, 0):
            raise ValueError(f".npy files must be of version (1, 0); got {version}")
        shape, fortran, dtype = npy.read_array_header_1_0(file)
        start = file.tell()
        size = os.fstat(file.fileno()).st_size
        if fortran or dtype.hasobject or not shape or size != start + nbytes(shape, dtype):
            raise ValueError(
                f"a .npy file of {size} bytes must hold rows of numbers in C order; its header "
                f"says {dtype} {shape}{', Fortran order' if fortran else ''}"
            )
        return cls(os.dup(file.fileno()), start, shape, dtype)

    def read(self, rows: NDArray[np.intp]) -> NDArray[T]:
        """Return rows of the file; neighbours are read together."""
        found = np.empty((len(rows), *self.row_shape), self.dtype)
        for buffer, place in self._pieces(found, rows):
            transfer(os.preadv, self._file.descriptor, buffer, place)
        return found

    def __reduce__(self) -> Any:
        raise TypeError("an open file cannot be sent to another process; send what finds its data")

    def _pieces(
        self, array: NDArray[T], rows: NDArray[np.intp]
    ) -> Iterator[tuple[memoryview, int]]:
        """Yield the bytes of each run of neighbouring rows in ``array``, and their place."""
        if not array.size:
            return
        content = array.reshape(-1).view(np.uint8).data
        edges = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        for first, last in itertools.pairwise(edges):
            place = self._start + int(rows[first]) * self._row_bytes
            yield content[first * self._row_bytes : last * self._row_bytes], place


class _File:
    """An open file that is closed when nothing uses it any more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)


def transfer(call: Any, descriptor: int, buffer: memoryview, place: int) -> None:
    """Read or write a whole buffer, which the system may do in several pieces."""
    while len(buffer):
        count = call(descriptor, [buffer], place)
        if not count:
            raise OSError(f"the file ends before byte {place + len(buffer)}: it was cut short")
        buffer, place = buffer[count:], place + count


def nbytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return how many bytes an array has."""
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


def select(stack: Stack[T], key: Any) -> Stack[T]:
    """Return the stack of some rows; of rows that are not in memory, none is read.

    Args:
        stack: Any.
        key: A slice (of an array, a view), or an array of indices or of bool.
    """
    return stack.select(key) if isinstance(stack, LazyStack) else cast(Stack[T], stack[key])


def chunks(stack: Stack[Any]) -> Iterator[slice]:
    """Yield the rows of a stack a few at a time: ``CHUNK_BYTES`` at most, but at least one row."""
    step = max(1, CHUNK_BYTES // max(1, nbytes(stack.shape[1:], stack.dtype)))
    for start in range(0, len(stack), step):
        yield slice(start, min(start + step, len(stack)))


def write_npy(file: Any, stack: Stack[Any]) -> None:
    """Write a stack as .npy to anything with ``write``, holding one chunk of it at a time.

    Raises:
        ValueError: Its elements are Python objects.
    """
    if stack.dtype.hasobject:
        raise ValueError(f"Object arrays cannot be stored; got {stack.dtype}")
    header = {
        "descr": npy.dtype_to_descr(stack.dtype),
        "fortran_order": False,
        "shape": tuple(stack.shape),
    }
    npy.write_array_header_1_0(file, header)
    for rows in chunks(stack):
        file.write(np.ascontiguousarray(stack[rows]).data)
