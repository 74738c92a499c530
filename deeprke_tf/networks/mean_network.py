"""The mean of several networks as one Keras model."""

from collections.abc import Sequence

import keras


def mean_network(networks: Sequence[keras.Model]) -> keras.Model:
    """Joins networks into one that gives their mean probability; weights are shared.

    Args:
      networks: Results of `deeprke.build_model`, at least two; they may read different
        views.

    Returns:
      A network of the same form: from the views that any of them reads, int64 [batch,
      n_kmers], to the mean of their probabilities, float32 [batch, 1].
    """
    with_most_views = max(networks, key=lambda network: len(network.inputs))
    inputs = {
        ids.name: keras.Input([None], dtype="int64", name=ids.name)
        for ids in with_most_views.inputs
    }
    probabilities = []
    for number, network in enumerate(networks, start=1):
        # Keras refuses two layers of one name, and the networks have the same names.
        own_inputs = {ids.name: ids for ids in network.inputs}
        named = keras.Model(own_inputs, network.output, name=f"member_{number}")
        probabilities.append(named({name: inputs[name] for name in own_inputs}))
    mean = keras.layers.Average(name="probability")(probabilities)
    return keras.Model(inputs, mean, name="ensemble")
