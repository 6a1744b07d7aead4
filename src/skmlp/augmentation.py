"""Augmentation: what a batch of training rows becomes each time that it is presented.

The rules are values, as those of ``network.rules`` are: equal parameters make equal rules, and
``repr`` evaluates to an equal one. B rows in a batch, d features, m outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .network.rules import Rule

# Beyond it the share of a mixture is one half, to three digits.
_MOST_ALPHA = 1e6


class Batch(NamedTuple):
    """Rows that are presented together.

    Attributes
    ----------
    X : ndarray of shape (B, d)
    targets : ndarray of shape (B, m)
    weights : ndarray of shape (B,) or None
        Positive sample weights.
    """

    X: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None


class Augmentation(Rule, ABC):
    """A rule with parameters.

    Attributes
    ----------
    by_row : bool
        Whether what becomes of a row does not depend on the others of its batch, so that rows of
        several batches may be given at once.
    """

    by_row: ClassVar[bool] = False

    @property
    def mixes_targets(self) -> bool:
        """Whether targets become mixtures of those of two rows."""
        return False

    @abstractmethod
    def augmented(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """New arrays of the same shapes and dtypes; draws come from ``rng`` alone."""


@dataclass(frozen=True)
class GaussianNoise(Augmentation):
    """Noise of N(0, scale²) added to every feature.

    Parameters
    ----------
    scale : float, default=0.1
        Standard deviation, above 0, in the features' own units: they are to be scaled alike, as
        by StandardScaler.

    Notes
    -----
    Small noise acts as a penalty on the gradient of the outputs in the features.

    References
    ----------
    Bishop (1995), "Training with noise is equivalent to Tikhonov regularization".
    """

    by_row: ClassVar[bool] = True
    scale: float = 0.1

    def __post_init__(self) -> None:
        self._check_number("scale", positive=True)

    def augmented(self, batch: Batch, rng: np.random.Generator) -> Batch:
        # in the rows' own precision: float32 draws take half the time
        noise = rng.standard_normal(batch.X.shape, dtype=batch.X.dtype.type)
        with np.errstate(over="ignore"):  # what overflows makes the loss infinite: an error
            noise *= noise.dtype.type(self.scale)
            noise += batch.X
        return batch._replace(X=noise)


@dataclass(frozen=True)
class Mixup(Augmentation):
    """Each row mixed with another of its batch: λ of its own and 1 - λ of the other.

    Features, targets (indicators of classes become shares) and sample weights are mixed alike,
    with one λ from Beta(alpha, alpha) for each batch, as the authors' code has it. The partners
    are a random order of the batch, so that the batch's sum of weights stays as it is.

    Parameters
    ----------
    alpha : float, default=0.2
        Above 0, at most 1e6. Small: most batches stay nearly as they are; 1: any λ is as likely.

    References
    ----------
    Zhang et al. (2018), "mixup: Beyond empirical risk minimization", arXiv:1710.09412.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        self._check_number("alpha", positive=True)
        if self.alpha > _MOST_ALPHA:
            raise ValueError(
                f"The 'alpha' parameter of Mixup must be at most {_MOST_ALPHA:g}, where every row "
                f"is half another one. Got {self.alpha!r} instead."
            )

    @property
    def mixes_targets(self) -> bool:
        return True

    def augmented(self, batch: Batch, rng: np.random.Generator) -> Batch:
        own, partner = rng.beta(self.alpha, self.alpha), rng.permutation(len(batch.X))

        def mixed(values: np.ndarray) -> np.ndarray:
            share, found = values.dtype.type(own), values.take(partner, 0)
            found *= 1 - share
            found += share * values
            return found

        weights = None if batch.weights is None else mixed(batch.weights)
        return Batch(mixed(batch.X), mixed(batch.targets), weights)


@dataclass(frozen=True)
class FeatureSwap(Augmentation):
    """Some features of each row replaced by those of another row of its batch.

    Every feature is replaced with probability p, so that each keeps the values it has in the data.
    One partner for each row, by a random order of the batch. A row keeps its weight.

    Parameters
    ----------
    p : float, default=0.1
        Probability, above 0 and below 1.
    mix_targets : bool, default=False
        Whether a row's targets are mixed with the partner's by the share of the features that it
        kept, as CutMix mixes those of images (Yun et al. 2019, arXiv:1905.04899); otherwise the
        replaced features are noise, and the targets stay.
    """

    p: float = 0.1
    mix_targets: bool = False

    def __post_init__(self) -> None:
        self._check_number("p", positive=True)
        if self.p >= 1:
            raise ValueError(
                "The 'p' parameter of FeatureSwap must be a probability below 1. "
                f"Got {self.p!r} instead."
            )
        if not isinstance(self.mix_targets, bool | np.bool_):
            raise ValueError(
                "The 'mix_targets' parameter of FeatureSwap must be True or False. "
                f"Got {self.mix_targets!r} instead."
            )
        object.__setattr__(self, "mix_targets", bool(self.mix_targets))

    @property
    def mixes_targets(self) -> bool:
        return self.mix_targets

    def augmented(self, batch: Batch, rng: np.random.Generator) -> Batch:
        partner = rng.permutation(len(batch.X))
        swapped = (
            rng.random(batch.X.shape, dtype=np.float32) < self.p
        )  # float64 takes twice as long
        X, targets = np.where(swapped, batch.X.take(partner, 0), batch.X), batch.targets
        if self.mix_targets:
            share = swapped.mean(1, keepdims=True, dtype=targets.dtype)
            targets = (1 - share) * targets + share * targets[partner]
        return batch._replace(X=X, targets=targets)


AUGMENTATION_RULES: tuple[type[Augmentation], ...] = (GaussianNoise, Mixup, FeatureSwap)

# Names for rules with their default parameters.
AUGMENTATIONS: dict[str, Augmentation] = {
    "gaussian_noise": GaussianNoise(),
    "mixup": Mixup(),
    "feature_swap": FeatureSwap(),
}


class ByFunction(Augmentation):
    """A user's function of (X, rng), which returns new features; targets stay.

    It gets arrays of its own, so that it may change them in place.
    """

    def __init__(self, function: Callable[[np.ndarray, np.random.Generator], Any]):
        self.function = function

    def augmented(self, batch: Batch, rng: np.random.Generator) -> Batch:
        found = np.asarray(self.function(batch.X.copy(), rng))
        if found.shape != batch.X.shape:
            raise ValueError(
                f"The function given as 'augmentation' must return {batch.X.shape[0]} rows of "
                f"{batch.X.shape[1]} features, as it got them. Got shape {found.shape} instead."
            )
        if found.dtype.kind not in "fiub":
            raise ValueError(
                "The function given as 'augmentation' must return real numbers. "
                f"Got dtype {found.dtype} instead."
            )
        with np.errstate(over="ignore"):
            X = found.astype(batch.X.dtype)
        if not np.isfinite(X).all():
            raise ValueError(
                "The function given as 'augmentation' must return finite numbers of "
                f"{X.dtype}. Got {found[~np.isfinite(X)][0]!r} instead."
            )
        return batch._replace(X=X)


def augmentation_of(given: Any) -> Augmentation | None:
    """What a value of the parameter means: a rule, a name, a function, or none of them."""
    if given is None or isinstance(given, Augmentation):
        return given
    return AUGMENTATIONS[given] if isinstance(given, str) else ByFunction(given)


def is_augmentation(value: object) -> bool:
    """A rule or a function; not a class, which somebody meant to call."""
    return isinstance(value, Augmentation) or (callable(value) and not isinstance(value, type))


def runs_users_code(augmentation: Augmentation | None) -> bool:
    """Whether to augment may run code of the user's: a class made of ours may."""
    return augmentation is not None and type(augmentation) not in AUGMENTATION_RULES
