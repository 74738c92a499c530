"""One network that gives the mean probability of several."""

from collections.abc import Sequence

import keras


def mean_network(networks: Sequence[keras.Model]) -> keras.Model:
    """Joins networks; they keep their weights, nothing is copied.

    Args:
      networks: Of `model.build_model`, at least two; they may read different views.

    Returns:
      A network of the same form: from the views that any of them reads, int64 [batch,
      n_kmers], to the mean of their probabilities, float32 [batch, 1].
    """
    widest = max(networks, key=lambda network: len(network.inputs))
    inputs = {
        ids.name: keras.Input([None], dtype="int64", name=ids.name)
        for ids in widest.inputs
    }
    probabilities = []
    for number, network in enumerate(networks, start=1):
        # A network holds no two parts of one name, and all of these have the same.
        own_inputs = {ids.name: ids for ids in network.inputs}
        named = keras.Model(own_inputs, network.output, name=f"member_{number}")
        probabilities.append(named({name: inputs[name] for name in own_inputs}))
    mean = keras.layers.Average(name="probability")(probabilities)
    return keras.Model(inputs, mean, name="ensemble")
