"""Counted operations against those of the graph that TensorFlow makes of the same work."""

import sys
from math import prod
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.networks.backend import BACKEND, value_and_gradient
from dicecast.networks.inference import InferenceNetwork
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.networks.operations import (
    layer_operations,
    prediction_operations,
    training_operations,
)
from dicecast.networks.unet import UNet
from dicecast.plugins import estimators

SHAPE = (16, 24, 3)
BATCH = 2


# The tensors of a node whose sizes decide its cost: its smaller side, and its kernel.
CONVOLUTIONS = {
    "Conv2D": lambda node: (node.outputs[0], node.inputs[1]),
    "Conv2DBackpropInput": lambda node: (node.inputs[2], node.inputs[1]),
    "Conv2DBackpropFilter": lambda node: (node.inputs[2], node.outputs[0]),
}


def node_operations(node: Any) -> int:
    if node.type == "MatMul":
        first, made = node.inputs[0].shape, node.outputs[0].shape
        return 2 * prod(made) * int(first[0 if node.get_attr("transpose_a") else 1])
    if node.type in CONVOLUTIONS:
        pixels, kernel = CONVOLUTIONS[node.type](node)
        return 2 * prod(pixels.shape[:3]) * prod(kernel.shape)
    assert not node.type.startswith(("Conv", "BatchMatMul", "DepthwiseConv")), node.type
    return 0


def graph_operations(function: Any, *arguments: Any) -> int:
    """Operations of all nodes of the function's graph that its outputs need."""
    tensorflow = pytest.importorskip("tensorflow")
    traced = tensorflow.function(function, autograph=False)
    graph = traced.get_concrete_function(*arguments).graph
    waiting, seen, total = [tensor.op for tensor in graph.outputs], set[str](), 0
    while waiting:
        node = waiting.pop()
        if node.name not in seen:
            seen.add(node.name)
            total += node_operations(node)
            waiting += [tensor.op for tensor in node.inputs] + list(node.control_inputs)
    return total


def image_batch() -> Any:
    return np.zeros((BATCH, *SHAPE), np.float32)


def executed_in_training(network: Any) -> int:
    """Operations of one step's graph, for one example."""
    weights = [np.asarray(variable) for variable in network.trainable_variables]
    moving = [np.asarray(variable) for variable in network.non_trainable_variables]
    noise = Noise(np.int32(1), np.int32(2), shared=False)

    def step(weights: Any, images: Any) -> Any:
        def loss(weights: Any) -> Any:
            with noise_in_network(noise):
                outputs, _ = network.stateless_call(weights, moving, images, training=True)
            return sum(ops.sum(ops.square(output)) for output in outputs.values()), ()

        return value_and_gradient(loss, weights)[2]

    return graph_operations(step, weights, image_batch()) // BATCH


def executed_in_draws(network: Any, draws: int) -> int:
    inference = InferenceNetwork(network)
    variables = [*network.trainable_variables, *network.non_trainable_variables]
    weights = [np.asarray(variable) for variable in variables]

    def run(weights: Any, images: Any) -> Any:
        prepared = inference.prepare(weights, images)
        noises = [Noise(np.int32(0), np.int32(index), shared=True) for index in range(draws)]
        return [inference.outputs(prepared, noise) for noise in noises]

    return graph_operations(run, weights, image_batch()) // BATCH


def unet(**changes: Any) -> Any:
    return UNet(**({"width": 4, "depth": 2} | changes)).build(SHAPE, 2)


def variational(method: str) -> Any:
    """The network that the estimator trains."""
    module: Any = sys.modules[estimators.get("variational").__module__]
    posterior = module.Posterior(method, prior_std=0.3, initial_std=0.03)
    return unet(convolution=module.VariationalConvolution(posterior))


def classifier() -> Any:
    """Every other kind of layer that counts: transposed, grouped, strided, dense."""
    images = keras.Input(SHAPE)
    tensor = keras.layers.Rescaling(2.0)(images)
    tensor = keras.layers.Conv2D(8, 3, strides=2, padding="same")(tensor)
    tensor = keras.layers.Conv2DTranspose(4, 3, strides=2, padding="same")(tensor)
    tensor = keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(tensor))
    return keras.Model(images, {"logits": keras.layers.Dense(5)(tensor)})


NETWORKS = {
    "plain": unet,
    "group normalisation, biases": lambda: unet(normalisation="group"),
    "dropout": lambda: unet(dropout_rate=0.3),
    "dropout everywhere": lambda: unet(dropout_rate=0.3, dropout_placement="everywhere"),
    "two heads": lambda: unet(heads={"confidence": 1}),
    "flipout": lambda: variational("flipout"),
    "reparameterised": lambda: variational("reparameterised"),
    "classifier": classifier,
}


@pytest.fixture(params=NETWORKS, scope="module")
def network(request: pytest.FixtureRequest) -> Any:
    if BACKEND != "tensorflow":
        pytest.skip("reads the graphs of TensorFlow")
    return NETWORKS[request.param]()


def test_a_training_example_costs_what_the_graph_of_a_step_computes(network):
    assert training_operations(network) == executed_in_training(network)


@pytest.mark.parametrize("draws", [1, 3])
def test_draws_cost_what_their_graph_computes_with_the_common_part_once(network, draws):
    assert InferenceNetwork(network).operations(draws) == executed_in_draws(network, draws)


def test_predicting_is_one_draw(network):
    assert prediction_operations(network) == InferenceNetwork(network).operations(1)


def test_the_common_part_of_mc_dropout_is_not_counted_again():
    network = unet(dropout_rate=0.3)
    one, two, three = (InferenceNetwork(network).operations(draws) for draws in (1, 2, 3))
    assert three - two == two - one < one


def test_a_convolution_by_hand():
    layer = keras.layers.Conv2D(5, 3, padding="same")
    keras.Model(images := keras.Input((7, 6, 4)), layer(images))
    assert layer_operations(layer) == 2 * (7 * 6) * (3 * 3) * 4 * 5


def test_elementwise_layers_count_as_nothing():
    assert {
        layer_operations(layer)
        for layer in unet().layers
        if "conv" not in layer.name and layer.name != "logits"
    } == {0}
