"""A trained network as it predicts: normalisation folded, what no noise reaches computed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import keras
from keras import ops, tree

from dicecast.networks.backend import Tensor
from dicecast.networks.layers import BatchNormalization
from dicecast.networks.noise import Noise, noise_forbidden, noise_in_network
from dicecast.networks.operations import layer_operations


class Prepared(NamedTuple):
    """What all draws of a batch have in common.

    Attributes:
        images: The batch itself, ``(batch, height, width, channels)``.
        weights: Of the network, trainable then non-trainable, with normalisations folded in.
        offsets: What is added after a layer for a normalisation that was folded away, by name.
        values: Outputs of layers that no noise reaches, of those that are read again; by name.
    """

    images: Tensor
    weights: list[Tensor]
    offsets: dict[str, Tensor]
    values: dict[str, Tensor]


@dataclass
class _Step:
    """A layer, with the names of the layers that it reads.

    Attributes:
        noisy: Whether noise reaches its output.
        folded_into: For a normalisation that is folded away, the convolutions whose sum it scales.
    """

    layer: Any
    reads: list[str]
    noisy: bool
    folded_into: list[_Step] = field(default_factory=list)

    def run(self, inputs: list[Tensor]) -> Tensor:
        """Run the layer; one that was folded away passes its input on."""
        if self.folded_into:
            return inputs[0]
        return self.layer(inputs if isinstance(self.layer.input, list) else inputs[0])


@dataclass
class InferenceNetwork:
    """Runs a functional network for prediction, from weights that are given as tensors.

    Equal to ``network.stateless_call(..., training=False)`` up to rounding, and quicker: a batch
    normalisation that follows convolutions becomes a factor of their kernels and an offset, and
    layers in front of the first noisy one run once a batch, not once a draw.

    Args:
        network: A functional ``keras.Model`` with one input. A layer that draws from
            ``active_noise`` says so by the attribute ``draws_noise = True``.
        varying: Layers whose names begin with one of these have other weights in each draw, so that
            they and what follows them run once a draw, as noisy ones do.
    """

    network: Any
    varying: tuple[str, ...] = ()

    def prepare(self, weights: list[Tensor], images: Tensor) -> Prepared:
        """Fold the weights and run the layers that no noise reaches.

        Args:
            weights: Of the network, trainable then non-trainable.
            images: ``(batch, height, width, channels)``, float32 in [0, 1].

        Raises:
            PluginError: A layer draws noise without ``draws_noise``.
        """
        folded, offsets = self._folded(weights)
        prepared = Prepared(images, folded, offsets, {self._input: images})
        with noise_forbidden():
            values = self._run(prepared, noisy=False)
        kept = {name: value for name, value in values.items() if name in self._read_again}
        return prepared._replace(values=kept)

    def reweighted(self, prepared: Prepared, weights: list[Tensor]) -> Prepared:
        """Return what was prepared with the weights of another draw, alike but in ``varying``."""
        folded, offsets = self._folded(weights)
        return prepared._replace(weights=folded, offsets=offsets)

    def outputs(self, prepared: Prepared, noise: Noise | None) -> dict[str, Tensor]:
        """Run the remaining layers and return the network's outputs by name, float32.

        Args:
            prepared: What ``prepare`` returned.
            noise: What noisy layers draw from; None gives the mean network.
        """
        with noise_in_network(noise):
            values = self._run(prepared, noisy=True)
        return {name: ops.cast(values[of], "float32") for name, of in self._outputs.items()}

    def operations(self, draws: int) -> int:
        """Return the floating-point operations of ``draws`` draws of one example.

        What no noise reaches counts once.
        """
        return sum(
            layer_operations(step.layer) * (draws if step.noisy else 1)
            for step in self._steps.values()
        )

    def _run(self, prepared: Prepared, noisy: bool) -> dict[str, Tensor]:
        """Return the outputs of the layers so far, by name."""
        values = dict(prepared.values)
        with keras.StatelessScope(list(zip(self._variables, prepared.weights, strict=True))):
            for name, step in self._steps.items():
                if step.noisy == noisy:
                    values[name] = step.run([values[read] for read in step.reads])
                    if name in prepared.offsets:
                        offset = ops.cast(prepared.offsets[name], values[name].dtype)
                        values[name] = values[name] + offset
        return values

    def _folded(self, weights: list[Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        folded = dict(zip(map(id, self._variables), weights, strict=True))
        offsets = {}
        for step in self._steps.values():
            if not step.folded_into:
                continue
            norm = step.layer
            variance = folded[id(norm.moving_variance)]
            scale = folded[id(norm.gamma)] * ops.rsqrt(variance + norm.epsilon)
            shift = folded[id(norm.beta)] - folded[id(norm.moving_mean)] * scale
            for source in step.folded_into:
                for variable in source.layer.weights:
                    folded[id(variable)] = folded[id(variable)] * scale
            # Added where no noise reaches, if anywhere, it is added once a batch.
            first = min(step.folded_into, key=lambda source: source.noisy)
            offsets[first.layer.name] = shift
        return list(folded.values()), offsets

    @cached_property
    def _variables(self) -> list[Any]:
        return [*self.network.trainable_variables, *self.network.non_trainable_variables]

    @cached_property
    def _input(self) -> str:
        return str(self.network.inputs[0].name)

    @cached_property
    def _outputs(self) -> dict[str, str]:
        """The name of each output, and of the layer it comes from."""
        made = {id(step.layer.output): name for name, step in self._steps.items()}
        made[id(self.network.inputs[0])] = self._input
        return {name: made[id(tensor)] for name, tensor in self.network.output.items()}

    @cached_property
    def _read_again(self) -> set[str]:
        read = {name for step in self._steps.values() if step.noisy for name in step.reads}
        return read | set(self._outputs.values())

    @cached_property
    def _steps(self) -> dict[str, _Step]:
        """The layers by name, in the order in which they run."""
        made: dict[int, str] = {id(self.network.inputs[0]): self._input}
        steps: dict[str, _Step] = {}
        for layer in self.network.layers:
            if isinstance(layer, keras.layers.InputLayer):
                made[id(layer.output)] = self._input
                continue
            reads = [made[id(tensor)] for tensor in tree.flatten(layer.input)]
            noisy = (
                getattr(layer, "draws_noise", False)
                or layer.name.startswith(self.varying)
                or any(steps[name].noisy for name in reads if name in steps)
            )
            steps[layer.name] = _Step(layer, reads, noisy)
            made[id(layer.output)] = layer.name
        _fold_normalisations(steps)
        return steps


def _fold_normalisations(steps: dict[str, _Step]) -> None:
    readers = [name for step in steps.values() for name in step.reads]
    for step in steps.values():
        if isinstance(step.layer, BatchNormalization):
            step.folded_into = _convolutions(steps, step.reads[0], readers)


def _convolutions(steps: dict[str, _Step], name: str, readers: list[str]) -> list[_Step]:
    """Return the convolutions whose sum ``name`` is, or none if it is anything else."""
    step = steps.get(name)
    if step is None or readers.count(name) != 1:
        return []
    if isinstance(step.layer, keras.layers.Conv2D):
        return [step] if step.layer.activation is keras.activations.linear else []
    if not isinstance(step.layer, keras.layers.Add):
        return []
    sources = [_convolutions(steps, read, readers) for read in step.reads]
    return [one for found in sources for one in found] if all(sources) else []
