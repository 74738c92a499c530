"""Training that is interrupted after an epoch, as by Ctrl-C."""

from deeprke_tf.training.checkpoint import TrainingState


def interrupt_after_first_epoch(patch):
    """Makes training raise `KeyboardInterrupt` when the first epoch is saved.

    Args:
      patch: A `pytest.MonkeyPatch`, to undo it by.
    """
    call_after_first_epoch(patch, _interrupt)


def call_after_first_epoch(patch, action):
    """Calls a function without arguments each time that a first epoch is saved."""
    end_epoch = TrainingState.end_epoch

    def end_and_act(state, row, model):
        end_epoch(state, row, model)
        if row["epoch"] == 1:
            action()

    patch.setattr(TrainingState, "end_epoch", end_and_act)


def _interrupt():
    raise KeyboardInterrupt
