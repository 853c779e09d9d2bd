"""Room for arrays that are being made: in memory where they fit, else in files without a name."""

from __future__ import annotations

import os
import tempfile
from typing import Any, Protocol, TypeVar

import numpy as np

from dicecast.errors import DicecastError
from dicecast.stacks import ArrayFile, Stack, nbytes, transfer

T = TypeVar("T", bound=np.generic)
Scalar_co = TypeVar("Scalar_co", bound=np.generic, covariant=True)

IN_MEMORY = 2**26
"""Arrays that are made together stay in memory up to this many bytes (64 MiB)."""

FOLDER_VARIABLE = "DICECAST_SCRATCH"
"""The environment variable that names the folder of larger ones."""


class NewStack(Stack[Scalar_co], Protocol[Scalar_co]):
    """A stack whose rows can be written."""

    def __setitem__(self, rows: Any, values: Any, /) -> None:
        """Write some rows."""
        ...


class ScratchFile(ArrayFile[T]):
    """A stack in a file that is gone with this process, however it ends: it has no name.

    The file lies in the folder ``$DICECAST_SCRATCH``, or where Python puts temporary files
    (``$TMPDIR``, else ``/tmp``). Several threads may write different rows at once.

    Raises:
        DicecastError: The folder cannot hold it.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[T]) -> None:
        super().__init__(_reserved(nbytes(shape, dtype)), 0, shape, dtype)

    def __setitem__(self, key: Any, values: Any) -> None:
        rows = np.asarray(self._rows[key])
        whole = np.broadcast_to(values, (*rows.shape, *self.row_shape))
        array = np.ascontiguousarray(whole, dtype=self.dtype)
        for buffer, place in self._pieces(array, rows.ravel()):
            try:
                transfer(os.pwritev, self._file.descriptor, buffer, place)
            except OSError as error:
                raise _no_room(nbytes(self.shape, self.dtype), error) from error


def new_stack(shape: tuple[int, ...], dtype: Any, total_bytes: int) -> NewStack[Any]:
    """Return a stack to be filled; its content is arbitrary until then.

    Args:
        shape: Number of rows, then the shape of a row.
        dtype: The type of its numbers.
        total_bytes: Size of all the arrays that are made together with it, itself included; they
            are in memory up to ``IN_MEMORY``, else in files.

    Raises:
        DicecastError: The folder of the files cannot hold it.
    """
    if total_bytes <= IN_MEMORY:
        return np.empty(shape, dtype)
    return ScratchFile(shape, np.dtype(dtype))


def _reserved(size: int) -> int:
    """Return the descriptor of a new file without a name that has ``size`` bytes of disk."""
    try:
        with tempfile.TemporaryFile(dir=_folder()) as file:
            # Space is taken now, so that a full disk is an error before the work and not after it.
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return os.dup(file.fileno())
    except OSError as error:
        raise _no_room(size, error) from error


def _folder() -> str:
    return os.environ.get(FOLDER_VARIABLE) or tempfile.gettempdir()


def _no_room(size: int, error: OSError) -> DicecastError:
    return DicecastError(
        f"{size / 2**20:,.0f} MiB of arrays that do not fit into memory must be kept in the folder "
        f"{_folder()}; it cannot hold them: {error.strerror or error}. Free some space, or name "
        f"another folder in the environment variable {FOLDER_VARIABLE}."
    )
