import random
import threading

import numpy as np
import pytest
from keras import Sequential, layers

from dicecast.training.initial import initial_weights


def build():
    return Sequential([layers.Input((4,)), *(layers.Dense(3) for _ in range(20))])


@pytest.fixture
def busy_thread():
    """A thread that draws from ``random`` all the time, as those of a Dask worker do."""
    stop = threading.Event()

    def draw():
        while not stop.wait(1e-5):
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_random_numbers_of_other_threads_change_no_weight(busy_thread):
    expected = initial_weights(build, 0)
    for _ in range(5):
        assert all(map(np.array_equal, initial_weights(build, 0), expected))
