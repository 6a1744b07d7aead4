"""Training one plain network, in mini-batches or by a full-batch method."""

from __future__ import annotations

from typing import Any

from ...task import FULL_BATCH_OPTIMIZERS, TrainingTask
from ..full_batch import train_full_batch
from ..stack import Outcome
from .full_batch import CompiledEvaluator
from .network import CompiledNetwork


def train_network(task: TrainingTask, run: Any) -> Outcome:
    """Train one plain network, unless ``run.stop`` is set meanwhile; what fails is its own."""
    try:
        if task.optimizer.family in FULL_BATCH_OPTIMIZERS:
            return train_full_batch(task, run, CompiledEvaluator)
        network = CompiledNetwork(task)
        while network.progress.stopping_reason is None and not run.stop.is_set():
            network.run_epochs()
            if run.bar is not None:
                run.bar.note(network.progress)
        return network.result()
    except Exception as error:
        return error
