"""K networks in training together: their steps, their epochs, and who leaves when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..network.architecture import NetworkArrays
from ..network.loss_forms import loss_of
from ..network.mlp import StackedMLP
from ..task import Checkpoint, RandomStates, TrainingResult, TrainingTask
from .averaging import StackAverages, weights_before
from .batches import Chunk, RowOrder, RowStore, chunk_steps
from .dropout import DropoutMasks
from .dropout_schedules import DROPOUT_SCHEDULES, dropout_time
from .layer_rates import LayerRates
from .loss_options import options_of
from .penalties import Clipping, Penalty
from .presentation import Presentation
from .progress import DivergenceError, Progress
from .schedules import cycle_of, epochs_before
from .stack_optimizer import StackOptimizer
from .starting import starting_weights
from .survivors import survivors_of
from .validation import Validated, metric_of, validation_of

Outcome = TrainingResult | Exception


class Observer(Protocol):
    """Who wants to know what happens inside an epoch. Only a network alone is observed."""

    def begin_batch(self, x: Tensor, rows: np.ndarray) -> None: ...
    def gradients_computed(self) -> None: ...
    def end_batch(self, logits: Tensor, targets: Tensor) -> None: ...
    def validated(self, found: Validated) -> None: ...


@dataclass
class Member:
    """One network of the stack: all that is its own but for its arrays."""

    place: int  # of its task in the list that the stack was given
    task: TrainingTask
    order: RowOrder
    dropout_rng: np.random.Generator
    progress: Progress
    epoch_loss: float = 0.0
    plain_weights: NetworkArrays | None = None  # of one that returns others


class SharedTime:
    """Time since the start, each lap divided by the networks that shared it."""

    def __init__(self, n_networks: int):
        self.n_networks, self.seconds = n_networks, 0.0
        self._start = perf_counter()

    def lap(self) -> None:
        now = perf_counter()
        self.seconds += (now - self._start) / self.n_networks
        self._start = now


class Stack:
    """Networks of one shape, trained step by step.

    Parameters
    ----------
    tasks : sequence of TrainingTask
        With equal ``stack_key``: what they share is read from ``common``.

    Attributes
    ----------
    members : list of Member
        The networks still in training; member k is row k of every tensor's axis K.
    outcomes : list of TrainingResult, Exception or None
        In the order of ``tasks``, filled as networks leave.
    """

    def __init__(self, tasks: Sequence[TrainingTask], observer: Observer | None = None):
        self._shared_time = SharedTime(len(tasks))
        self.observer = observer
        self.outcomes: list[Outcome | None] = [None] * len(tasks)
        self.common = common = tasks[0].common
        self.dtype, self.device = getattr(torch, common.dtype), torch.device(common.device)
        # Networks with equal settings stand together: they share an optimizer's parameter group.
        places = sorted(range(len(tasks)), key=lambda i: optimizer_key(tasks[i]))
        tasks = [tasks[place] for place in places]
        self.module = build_module(tasks, self.dtype, self.device)
        self.members = [
            self._member(k, *pair) for k, pair in enumerate(zip(places, tasks, strict=True))
        ]
        self.store = RowStore([t.train for t in tasks], self.dtype, self.device)
        self.validation = validation_of(tasks, self.dtype, self.device)
        self.optimizer = StackOptimizer(
            [t.optimizer for t in tasks],
            [t.learning_rate_init for t in tasks],
            self.module.blocks,
            self.module.gradients,
            cycles=[cycle_of(t) for t in tasks],
            by_rate=not any(m.progress.course for m in self.members),
        )
        self.masks = DropoutMasks(
            [t.dropout for t in tasks],
            common.layer_sizes[1:-1],
            common.batch_size,
            [m.dropout_rng for m in self.members],
            self.dtype,
            self.device,
            [t.dropout_type for t in tasks],
            [DROPOUT_SCHEDULES[t.dropout_schedule].changes for t in tasks],
        )
        self.survivors = survivors_of(tasks, self.dtype, self.device)
        self.presentations = [Presentation(t) for t in tasks]
        for k, member in enumerate(self.members):
            self._set_dropout(k, member)
        self.averages = StackAverages(tasks, self.module.blocks)
        self._set_rules()
        if tasks[0].resume is not None:
            self._resume(tasks[0].resume)
        if self._is_timed:
            self._shared_time.lap()
        self._preparation = self._shared_time.seconds  # a limit of time is one of training

    def _member(self, k: int, place: int, task: TrainingTask) -> Member:
        initial_rng, order_rng, dropout_rng = random_streams(task)
        self.module.blocks.set_network(k, *starting_weights(task, initial_rng))
        return Member(
            place,
            task,
            RowOrder(len(task.train), task.batch_size, task.shuffle, order_rng),
            dropout_rng,
            Progress(task, **task.history),
        )

    def _set_rules(self) -> None:
        """Whatever depends on who is in the stack."""
        tasks = [m.task for m in self.members]
        options = options_of(tasks, self.dtype, self.device)
        self.module.loss = loss_of(self.common.loss).given(options)
        self.penalty = Penalty(tasks, self.module)
        self.clipping = Clipping(tasks, self.module)
        self._decays = np.array([t.weight_decay for t in tasks])
        self._decaying = bool(self._decays.any())
        self.layer_rates = LayerRates(tasks, self.module)
        self._on_course = any(m.progress.course for m in self.members)
        self._is_timed = any(t.max_time is not None for t in tasks)
        self._chunk_steps = chunk_steps(self.store, self.common.batch_size)

    # Steps

    def advance(self) -> None:
        """Take steps up to the next end of any network's epoch."""
        n_steps = min(m.order.steps_left for m in self.members)
        while n_steps:
            some = min(n_steps, self._chunk_steps)
            if self._on_course:
                self.optimizer.start_chunk(*self._courses(some))
            orders = [m.order for m in self.members]
            self._train_chunk(self.store.chunk(orders, some, self.presentations))
            n_steps -= some

    def _courses(self, n_steps: int) -> tuple[list[list[float]], list[list[float]]]:
        """Of the next steps, the factors of each network's rate, and its momentum or NaN."""
        factors, momenta = np.ones((2, len(self.members), n_steps))
        momenta[:] = np.nan
        for k, member in enumerate(self.members):
            course, at = member.progress.course, (member.progress.n_iter, member.order.position)
            if course is not None:
                for values, found in ((factors, course.factors), (momenta, course.momenta)):
                    row = found(*at, n_steps)
                    if row is not None:
                        values[k] = row
        return factors.T.tolist(), momenta.T.tolist()

    def _train_chunk(self, chunk: Chunk) -> None:
        self.penalty.start_chunk(chunk)
        logits = [self._step(chunk, s, *batch) for s, batch in enumerate(chunk.batches())]
        losses = self.module.loss.per_row(torch.cat(logits, 1), chunk.targets)
        sums, penalties = chunk.mean_losses(losses), self.penalty.total(chunk)
        for member, loss, penalty in zip(self.members, sums, penalties, strict=True):
            member.epoch_loss += loss + float(penalty)

    def _step(
        self, chunk: Chunk, s: int, x: Tensor, targets: Tensor, scale: float | Tensor
    ) -> Tensor:
        masks = self._next_masks(x.shape[1])
        if self.survivors.active:
            self.module.survivors = self.survivors.next_step()
        if self.observer is not None:
            self.observer.begin_batch(x, chunk.rows_of_first(s))
        logits = self._gradients(s, x, targets, scale, masks)
        if self.observer is not None:
            self.observer.gradients_computed()
        self.penalty.record(s)
        self.layer_rates.before_step()
        if self._decaying:
            self.optimizer.decay(self._decays, s)
        self.optimizer.step(lambda: self._loss(s, x, targets, scale, masks), s)
        self.layer_rates.after_step()
        if self.averages.each_step:
            self.averages.end_step()
        if self.observer is not None:
            self.observer.end_batch(logits, targets)
        return logits

    def _next_masks(self, n_rows: int) -> tuple[Any, ...] | None:
        if not self.masks.active:
            return None
        return self.masks.next_step(n_rows), self.masks.shifts(n_rows)

    def _gradients(self, s: int, x, targets, scale, masks) -> Tensor:
        logits = self.module.compute_gradients(x, targets, scale, *(masks or ()))
        self.penalty.add_gradient(s)
        self.clipping.apply()
        return logits

    def _loss(self, s: int, x, targets, scale, masks) -> Tensor:
        """What optimizers that ask for a closure call: loss, with fresh gradients."""
        logits = self._gradients(s, x, targets, scale, masks)
        losses = self.module.loss.per_row(logits, targets).unsqueeze(2) * scale
        return losses.sum() + self.penalty.value(s)

    # Ends of epochs

    def end_epochs(self) -> None:
        """End the epoch of every network that has seen all its rows."""
        ended = [k for k, member in enumerate(self.members) if not member.order.steps_left]
        due = [k for k in ended if self.members[k].progress.validation_is_due]
        self.averages.end_epochs(ended)
        with self.evaluated():
            found = self.validation(self.module, due)
            if self._is_timed:
                self._shared_time.lap()
            for k in ended:
                try:
                    self._end_epoch(k, self.members[k], found.get(k))
                except Exception as error:
                    by_scorer = callable(self.members[k].task.metric)
                    if not (by_scorer or isinstance(error, DivergenceError)):
                        raise
                    self.outcomes[self.members[k].place] = error

    @contextmanager
    def evaluated(self) -> Iterator[None]:
        """Within it the networks have the weights with which they predict: averages, if any."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        self.averages.swap()
        self.optimizer.swap()

    def _end_epoch(self, k: int, member: Member, found: Validated | None) -> None:
        progress, rate = member.progress, float(self.optimizer.rates[k])
        loss = member.epoch_loss / member.order.n_rows
        progress.check_finite(loss, rate)
        if found is not None:
            self._validate(k, member, found)
        self.optimizer.set_rate(k, progress.end_epoch(loss, rate))
        progress.spend(self._shared_time.seconds - self._preparation)
        member.epoch_loss = 0.0
        if progress.stopping_reason is None:
            member.order.start_epoch()
            self._set_dropout(k, member)
        elif progress.validation_is_due and member.task.validation is not None:
            self._validate(k, member, self.validation(self.module, [k])[k])

    def _set_dropout(self, k: int, member: Member) -> None:
        """Begin an epoch of network k's schedule."""
        if DROPOUT_SCHEDULES[member.task.dropout_schedule].changes:
            time = dropout_time(member.task, len(member.progress.loss_curve))
            self.masks.set_time(k, time)
            self.presentations[k].set_time(time)

    def _validate(self, k: int, member: Member, found: Validated) -> None:
        progress, rate = member.progress, float(self.optimizer.rates[k])
        progress.check_finite(found.loss, rate, "validation loss", progress.ahead)
        score = metric_of(
            member.task,
            *found[:2],
            progress.running_epoch,
            rate,
            logits=lambda: found.logits.cpu().numpy().copy(),
            arrays=lambda: self.module.blocks.network(k),
        )
        progress.check_finite(score, rate, "validation score", progress.ahead)
        if progress.validate(found.loss, score):
            member.progress.best_weights = self.module.blocks.network(k)
        if self.observer is not None:
            self.observer.validated(found)

    def restore_best(self) -> None:
        """Give networks that have stopped the weights of their best validation, or averages."""
        stopped = [k for k, m in enumerate(self.members) if m.progress.stopping_reason]
        final = {k: self.members[k].progress.best_weights for k in stopped}
        if any(self._has_average(k) for k in stopped):
            plain = {k: self.module.blocks.network(k) for k in stopped if self._has_average(k)}
            with self.evaluated():
                averages = {k: self.module.blocks.network(k) for k in plain}
            for k, weights in plain.items():
                self.members[k].plain_weights = weights
                final[k] = final[k] or averages[k]
        for k, weights in final.items():
            if weights is not None:
                self.module.blocks.set_network(k, *weights)

    def _has_average(self, k: int) -> bool:
        return self.optimizer.evaluates_elsewhere or self.averages.has(k)

    def let_leave(self) -> None:
        """Store the results of networks that have stopped, and go on without them."""
        self._shared_time.lap()
        for k, member in enumerate(self.members):
            if member.progress.stopping_reason and self.outcomes[member.place] is None:
                self.outcomes[member.place] = self._outcome(k, member)
        staying = [k for k, m in enumerate(self.members) if self.outcomes[m.place] is None]
        self._shared_time.n_networks = len(staying)
        if staying and len(staying) < len(self.members):
            self._keep(staying)
        self.members = [m for m in self.members if self.outcomes[m.place] is None]

    def _keep(self, networks: list[int]) -> None:
        self.store.keep(networks)
        self.validation.keep(networks)
        self.masks.keep(networks)
        self.survivors.keep(networks)
        self.module.survivors = ()  # whoever has left may have been the last to drop blocks
        self.presentations = [self.presentations[k] for k in networks]
        self.module.set_blocks(self.module.blocks.take(networks))
        self.optimizer.keep(networks, self.module.blocks, self.module.gradients)
        self.averages.keep(networks, self.module.blocks)
        self.members = [self.members[k] for k in networks]
        self._set_rules()

    def _outcome(self, k: int, member: Member) -> Outcome:
        rate = float(self.optimizer.rates[k])
        checkpoint = self._checkpoint(k, member) if member.task.keep_checkpoint else None
        try:
            result = finished(member.progress, self.module.blocks.network(k), rate, checkpoint)
            result.seconds = self._shared_time.seconds
            return result
        except DivergenceError as error:
            return error

    # Going on after a pause

    def _checkpoint(self, k: int, member: Member) -> Checkpoint:
        return Checkpoint(
            family=member.task.optimizer.family,
            optimizer=self.optimizer.network_state(k),
            learning_rate_init=member.task.learning_rate_init,
            learning_rate=float(self.optimizer.rates[k]),
            random=RandomStates(
                member.order.rng.bit_generator.state,
                *self.masks.position(k),
                *self.presentations[k].states(),
                self.survivors.position(k),
            ),
            epochs=epochs_before(member.task) + member.progress.n_iter,
            weights=member.plain_weights,
            average=self.averages.state(k),
        )

    def _resume(self, checkpoint: Checkpoint) -> None:
        (task,) = (m.task for m in self.members)
        weights = weights_before(task, checkpoint)
        if weights is not None:
            self.module.blocks.set_network(0, *weights)
        self.averages.resume(checkpoint)
        if task.optimizer.family == checkpoint.family:
            self.optimizer.set_network_state(0, checkpoint.optimizer)
        if task.learning_rate_init == checkpoint.learning_rate_init:
            self.optimizer.set_rate(0, checkpoint.learning_rate, rescale=False)
        self.masks.go_to(checkpoint.random.dropout_steps)


def optimizer_key(task: TrainingTask) -> tuple[str, str, float, float, float]:
    """What puts networks of equal optimizer settings, and then of equal penalties, together."""
    cycle = repr(cycle_of(task))
    return repr(task.optimizer), cycle, task.learning_rate_init, task.alpha, task.l1_ratio


def build_module(
    tasks: Sequence[TrainingTask], dtype: torch.dtype, device: torch.device
) -> StackedMLP:
    """The stacked network of tasks with equal ``stack_key``."""
    common, options = tasks[0].common, options_of(tasks, dtype, device)
    return StackedMLP(
        len(tasks), common.architecture, common.loss, options, dtype=dtype, device=device
    )


def random_streams(task: TrainingTask) -> tuple[np.random.Generator, ...]:
    """Generators of the starting weights, the row order and the dropout masks."""
    streams = np.random.SeedSequence(task.seed).spawn(3)
    initial, order, dropout = map(np.random.default_rng, streams)
    if task.resume is not None:
        order.bit_generator.state = task.resume.random.order
        dropout.bit_generator.state = task.resume.random.dropout
    return initial, order, dropout


def finished(
    progress: Progress,
    arrays: NetworkArrays,
    rate: float | None,
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """The result of a network that has stopped.

    Raises
    ------
    DivergenceError
        If a weight is infinite or NaN.
    """
    every = [*arrays.coefs, *arrays.intercepts, *arrays.others.values()]
    total = sum(float(np.abs(array).max(initial=0.0)) for array in every)
    progress.check_finite(total, rate, "largest weight", epoch=0)
    stopped_early = progress.task.early_stopping
    validated = progress.task.validation is not None
    return TrainingResult(
        arrays=arrays,
        loss=progress.loss_curve[-1] if progress.loss_curve else float("nan"),
        loss_curve=progress.loss_curve,
        learning_rates=None if rate is None else progress.learning_rates,
        validation_loss_curve=progress.validation_loss_curve if validated else None,
        validation_scores=progress.validation_scores if validated else None,
        best_loss=None if stopped_early else progress.best_loss,
        best_validation_score=progress.best_validation_score if stopped_early else None,
        n_iter=progress.n_iter,
        t=progress.t,
        no_improvement_count=progress.no_improvement_count,
        stopping_reason=str(progress.stopping_reason),
        checkpoint=checkpoint,
    )
