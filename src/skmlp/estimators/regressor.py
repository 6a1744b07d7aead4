"""Multilayer perceptron for regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import RegressorMixin

from ..network.loss_forms import Bounded, Key, Own, Several
from ..network.losses import losses_of
from .base import BaseMLP, with_mini_batches
from .constraints import CONSTRAINTS, REGRESSOR_CONSTRAINTS
from .names import (
    Activations,
    Augment,
    AveragingName,
    BiasInitialization,
    DropoutScheduleName,
    Initialization,
    LayerSizes,
    LearningRate,
    Optimizer,
    OwnLoss,
    RandomState,
    RegressionLossName,
    StoppingMetric,
)
from .prediction import Trained
from .targets import Numbers, checked_numbers


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multilayer perceptron regressor, for one or several outputs.

    Parameters have scikit-learn's names, defaults and meaning where
    `sklearn.neural_network.MLPRegressor` has them, with ``optimizer`` in place of ``solver``.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer. An empty sequence is a linear model.
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers, or one per layer: "identity", "logistic", "tanh", "relu",
        "leaky_relu", "elu", "selu", "gelu", "silu", "mish" or "softplus".
    loss : str or callable, default="squared_error"
        With r the prediction minus y: "squared_error" r²/2, "absolute_error" |r|, "log_cosh"
        log(cosh(r)), which is close to r²/2 for small r and to |r| - log(2) for large, "huber" or
        "quantile" (see the next parameters). With a log link: half the deviance of "poisson"
        (needs y >= 0), of "gamma" (y > 0), which is log(μ/y) + y/μ - 1 for the mean μ, or of
        "tweedie" (y >= 0). "gaussian" is minus the logarithm of a normal density whose mean and
        precision 1/σ² are both predicted (Nix & Weigend 1994): see ``predict``. "circular" is for
        angles in radians: |(a, b) - (cos y, sin y)|²/2 for two outputs a and b, whose angle is
        predicted, from -π to π; at length 1 it is 1 - cos(r), and its gradient has no jump where
        they are zero. Each is summed over the outputs. (scikit-learn's MLP has the same
        gradients, and reports the mean over the outputs.) The gradients of "absolute_error" and
        "quantile" jump at r = 0, where they are taken as 0; "lbfgs" takes neither. A callable gets
        torch tensors z and t of shape (n_rows, n_outputs), predictions and y, and returns the loss
        of each row, of shape (n_rows,).
    huber_delta : float, default=1.35
        The |r|, in units of y, from which on "huber" is huber_delta·(|r| - huber_delta/2) instead
        of r²/2: rows further away pull with a constant force (Huber 1964). 1.35 is for errors of
        standard deviation 1; if they are normal, it needs 1/0.95 of the rows that squared errors
        need.
    quantile : float or sequence of float, default=0.5
        What "quantile" predicts of y: its loss is quantile·|r| where the prediction is too low,
        (1 - quantile)·|r| where it is too high (Koenker & Bassett 1978). Of a sequence all are
        predicted at once, on a last axis of their own, and their losses summed; nothing keeps them
        from crossing.
    tweedie_power : float, default=1.5
        p, between 1 (Poisson) and 2 (gamma): "tweedie" is for zeros and skewed positive values,
        whose variance grows as μ^p (Jørgensen 1987). It is
        y^(2-p)/((1-p)(2-p)) - y·μ^(1-p)/(1-p) + μ^(2-p)/(2-p).
    output_range : (float, float) or None, default=None
        Bounds (low, high) of y, which predictions keep: they are (low + high)/2 +
        (high - low)/2·tanh(z) of the network's output z. For "squared_error", "absolute_error",
        "quantile", "huber" and "log_cosh".
    negative_slope : float, default=0.01
        Slope of "leaky_relu" below zero.
    normalization : {"batch", "layer"} or None, default=None
        What stands between each hidden layer's product and its activation, with a trained scale and
        shift. "batch": each unit over the rows of the batch, in predictions by running averages
        (Ioffe & Szegedy 2015). "layer": each row over the layer's units (Ba et al. 2016).
    residual : bool or int of at least 2, default=False
        Layers of each residual block; True is 2. The first hidden layer maps the inputs to the
        first width, without an activation. Each block adds to its input x a branch of it,
        W₂ f(N(W₁ f(N(x)))) with biases, where f is the activation (and dropout), N the
        normalization (He et al. 2016, arXiv:1603.05027); the last block has the layers that are
        left over. f(N(x)) of the last sum goes to the output layer. Where a block's input and
        output differ in width, x is multiplied by a matrix, which starts orthonormal and is
        penalized as weights are. Needs two hidden layers.
    stochastic_depth : float in (0, 1] or None, default=None
        Probability p that a batch goes through the last of L residual blocks; through block l it
        goes with probability 1 - (l/L)(1 - p) (Huang et al. 2016). Predictions take each branch
        times its probability. None and 1 drop nothing.
    initialization : str, rule such as `skmlp.VarianceScaling`, or callable, default="auto"
        Starting weights. With fan_in and fan_out a layer's widths: "glorot_uniform",
        "glorot_normal" (variance 2/(fan_in + fan_out)), "he_uniform", "he_normal" (2/fan_in, for
        leaky_relu divided by 1 + slope²), "he_uniform_fan_out", "he_normal_fan_out" (2/fan_out),
        "lecun_uniform", "lecun_normal" (1/fan_in), "orthogonal", "sklearn" and "torch" (what
        those libraries do, biases included) and "lisa_sigmoid" (four times Glorot's bound).
        "lsuv" scales orthonormal weights layer by layer until the layer's outputs, on up to 512 of
        the training rows, have variance 1 (Mishkin & Matas 2016). "fixup" is for residual networks
        without normalization (Zhang et al. 2019): see the guide.
        "auto" is LeCun's for selu and Glorot's otherwise; more than about five layers of the
        ReLU family want He's. Rules with parameters are ``VarianceScaling(scale=2)``,
        ``Normal(std=0.01)``, ``TruncatedNormal(std=0.01)``, ``Uniform(bound=0.05)``,
        ``Orthogonal(gain=1)`` and ``Constant(value=0)``, of `skmlp`. A callable gets
        ``((fan_in, fan_out), rng)``, with a `numpy.random.Generator`, and returns the weights or a
        pair (weights, biases).
    bias_initialization : {"zeros", "torch", "sklearn"}, float or None, default=None
        Starting biases. None: as ``initialization`` gives them, zero but for "torch", "sklearn" and
        callables that return some. "torch" draws them within 1/√fan_in; "sklearn" within
        √(6/(fan_in + fan_out)), for logistic hidden layers √(2/(fan_in + fan_out)); a number is
        every bias. The weights are the same with all of them.
    optimizer : str, torch.optim.Optimizer class or functools.partial of one, default="adam"
        "adam", "adamw", "amsgrad", "nadam", "adamax", "radam", "rmsprop", "adagrad", "adadelta",
        "sgd", "lion", "muon", "schedule_free_sgd", "schedule_free_adam", or "lbfgs", "cg" or
        "newton-cg", which work on all rows at once. A class is called with the parameters and
        ``lr=learning_rate_init``.
    alpha : float, default=0.0001
        Strength of the penalty on the weights (not the biases). It is divided by the number of
        rows of a batch (their sum of weights), as scikit-learn's MLP divides it.
    l1_ratio : float, default=0.0
        Mix of the penalty, alpha·(l1_ratio·|W|₁ + (1 - l1_ratio)/2·|W|²), as in ElasticNet. With
        "lbfgs" weights become exactly zero; other optimizers follow a subgradient.
    weight_decay : float or "auto", default="auto"
        Decoupled decay: each step multiplies the weights (not the biases) by
        1 - learning rate · weight_decay, whatever the optimizer. "auto" is 0.01 for "adamw", as in
        torch, and 0 otherwise.
    dropout : float or sequence of float, default=0.0
        Probability that a hidden unit's output is dropped in training, or one per hidden layer.
    dropout_type : {"standard", "alpha"}, default="standard"
        What is dropped becomes zero, and the rest is multiplied by 1/(1 - p). "alpha", for "selu":
        it becomes the limit of selu, and units are scaled and shifted so that their mean and
        variance stay (Klambauer et al. 2017, arXiv:1706.02515).
    dropout_schedule : {"constant", "early", "early_linear", "late"}, default="constant"
        When ``dropout`` and ``input_dropout`` apply (Liu et al. 2023, arXiv:2303.01500): always; in
        the epochs before ``dropout_cutoff``; in these, less with every epoch, from p down to zero
        at the cutoff; or from the cutoff on.
    dropout_cutoff : int or float, default=0.5
        After how many epochs, or after which share of ``max_iter`` (above 0, below 1). With
        ``warm_start`` and ``partial_fit`` all epochs since the first count.
    input_dropout : float, default=0.0
        Probability that an input is dropped in training: it becomes zero, the others are multiplied
        by 1/(1 - p).
    augmentation : str, rule such as `skmlp.GaussianNoise`, callable or None, default=None
        What rows become each time that they are trained on, before ``input_dropout``:
        ``GaussianNoise(scale=0.1)`` is added to the features, ``Mixup(alpha=0.2)`` mixes pairs of
        rows with their targets and weights, ``FeatureSwap(p=0.1)`` takes features of other rows;
        "gaussian_noise", "mixup" and "feature_swap" are these. A callable gets ``(X, rng)``, the
        batch's rows and a `numpy.random.Generator`, and returns new rows of that shape. Sparse
        rows are filled in, batch by batch.
    max_grad_norm : float, default=None
        Gradients whose norm, over all layers, is larger are scaled down to it.
    max_grad_value : float, default=None
        Entries of the gradients are cut to [-max_grad_value, max_grad_value].
    batch_size : int or "auto", default="auto"
        Rows per step; "auto" is min(200, n_samples). "lbfgs", "cg" and "newton-cg" use all.
    learning_rate : str or callable, default="constant"
        How the rate changes, with every optimizer (scikit-learn: "sgd" only). At the ends of
        epochs, as scikit-learn's: "constant"; "invscaling": learning_rate_init / (t_ + 1)^power_t;
        "adaptive": divided by 5 whenever training would stop for want of improvement, down to 1e-6.
        Step by step, a factor of ``learning_rate_init`` at the fraction f of the steps of
        ``max_iter`` epochs, warm-up left out: "step" and "exponential", see
        ``learning_rate_decay``; from 1 to ``learning_rate_end``, "linear", "polynomial"
        (1 - f)^power_t, "cosine" (1 + cos(πf))/2, "flat_cosine" (a cosine over the last
        ``learning_rate_period``, before it 1), "restarts" (a cosine over each period) and
        "one_cycle" (half a cosine wave from 1/25 up to 1, and one down). A callable gets f, from 0
        to below 1, and returns the factor. In ``partial_fit`` f counts all calls; when ``max_iter``
        of them are over, the last factor holds.
    learning_rate_init : float, default=0.001
        The (first, or of "one_cycle" the largest) learning rate. "adadelta" is meant for about 1.
    learning_rate_decay : float, default=0.1
        Factor of the rate for each ``learning_rate_period``: of "step" at its end, of "exponential"
        evenly over its steps.
    learning_rate_period : int or float, default=0.25
        Epochs, or as a float the share of all training, of "step", "exponential", "restarts" (its
        first cosine) and "flat_cosine" (its cosine).
    learning_rate_end : float, default=0.0
        Factor of the rate at which the schedules end that go from 1 down to it.
    period_multiplier : float, default=1.0
        How many times as long as the one before each cosine of "restarts" is.
    power_t : float, default=0.5
        Exponent of "invscaling" and "polynomial".
    warmup : int or float, default=0
        Epochs, or as a float the share of all training, in which the rate rises in equal steps from
        near 0 to that of the schedule, any schedule, which begins after it ("invscaling" and
        "adaptive" go on meanwhile). Of "one_cycle" it is the length of the rise, 0 for 0.3 of all.
    base_momentum : float, default=None
        Of "one_cycle": ``momentum`` (of "sgd"; of others ``beta_1``) goes down to it while the rate
        rises, and back. None leaves it as it is.
    layer_learning_rates : sequence of float, default=None
        What multiplies the rate of each layer, the output's included. A layer of 0 stays exactly as
        it starts, whatever decays, penalizes or clips.
    bias_learning_rate : float, default=1.0
        What multiplies the rate of the biases (with ``normalization``, the shifts) besides.
    max_iter : int, default=200
        Most epochs, or iterations of "lbfgs", "cg" and "newton-cg".
    max_time : float, default=None
        Seconds after which training stops, at the end of the epoch or iteration. They are those
        of the network's own training, without the checks of the input; in a stack (see
        `skmlp.fused`) the network's share of each step. ``partial_fit`` does not look at them.
    averaging : {"swa", "ema"} or None, default=None
        Averages of the weights, which validation sees and predictions use, while training goes on
        from the weights themselves. "swa": the mean of the weights at the ends of the last epochs
        (Izmailov et al. 2018). "ema": an exponential moving average over all steps, with its bias
        corrected. Running averages of batch normalization are averaged too.
    averaging_start : float, default=0.75
        Share of ``max_iter`` after which the epochs of "swa" begin.
    averaging_horizon : float, default=1.0
        Epochs after which a step's share in "ema" has fallen to 1/e of what it was.
    shuffle : bool, default=True
        Whether rows are in a new order every epoch.
    random_state : int, RandomState instance or None, default=None
        Decides starting weights, row order, dropout, stochastic depth, augmentation and the
        validation split. None draws fresh entropy; global generators are never used nor changed.
    tol : float, default=1e-4
        Smallest improvement that counts, of the training loss or of ``early_stopping_metric``, in
        its units; for "lbfgs", "cg" and "newton-cg" also the largest gradient entry at the end.
    verbose : bool or int, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether ``fit`` starts from the weights of the last fit.
    momentum : float, default=0.9
        Momentum of "sgd", and of "muon" (Jordan takes 0.95); of "schedule_free_sgd" how near to the
        average of its steps gradients are taken.
    nesterovs_momentum : bool, default=True
        Whether "sgd" and "muon" use Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to stop when the validation score no longer improves, and return to the best
        weights. The score is R², for "absolute_error" and "quantile" the D² of their loss
        (`sklearn.metrics.d2_pinball_score`, the mean of all quantiles), for "circular" the same of
        1 - cos(r), on ``validation_fraction`` of the rows or on ``X_val``.
    validation_fraction : float, default=0.1
        Share of the rows that ``early_stopping`` holds out; of the groups, where ``fit`` is given
        ``groups``.
    early_stopping_metric : str, scorer or None, default="score"
        What is recorded of validation rows, and decides about improvement and the best weights:
        "score" (or None), see ``early_stopping``; "loss", the validation loss; or a scorer of
        scikit-learn's, such as "neg_log_loss" or what `sklearn.metrics.make_scorer` makes, by its
        name or itself. A scorer is called with the estimator as it is after the epoch, the
        validation rows as an array or CSR matrix, y, and their ``sample_weight``, if they have
        some and it takes it.
    validation_every : int, default=1
        Epochs between validations, which are made at multiples of it and after the last epoch.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the moments, for "adam", "adamw", "amsgrad", "nadam", "adamax", "radam",
        "lion" (whose authors take 0.9, 0.99) "muon" (where it takes Adam's steps) and
        "schedule_free_adam", of which the first says how near to the average gradients are taken.
    epsilon : float, default=1e-8
        Numerical stability of the same optimizers; "lion" takes entries up to it as zero;
        "rmsprop", "adagrad" and "adadelta" keep torch's defaults.
    n_iter_no_change : int or inf, default=10
        Epochs without an improvement by ``tol`` before training stops; validations, where
        ``early_stopping`` looks at them.
    max_fun : int, default=15000
        Most evaluations of the loss by "lbfgs", "cg" and "newton-cg", whose products with the
        Hessian matrix count too.
    device : str, default="cpu"
        "cpu", "cuda", "cuda:N", "mps", or "auto" for the best that is there. Small networks are
        faster on the CPU.
    dtype : {"auto", "float32", "float64"} or NumPy dtype, default="auto"
        Precision of the arithmetic. "auto" is that of X on the CPU (integers count as float64),
        float32 on accelerators.
    callbacks : list of skorch callbacks, default=None
        Called during training as `skorch` documents; as there, the given objects themselves. A
        callback that raises KeyboardInterrupt ends the training. Clones get copies; what cannot
        be copied (an open writer) is shared with them.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer.
    parameters_ : dict of str to ndarray
        All other arrays, by name and number. What ``normalization`` adds to a hidden layer:
        ``"scales.0"``, ``"shifts.0"``, and of batch normalization the running ``"means.0"``,
        ``"variances.0"`` and ``"counts.0"`` (batches seen). What a residual block has:
        ``"survivals.0"`` (its probability), and where widths differ ``"projections.0"`` of shape
        (width before, width after). What "fixup" adds: ``"linear_offsets.0"`` and
        ``"activation_offsets.0"`` (added before a layer, before an activation) and
        ``"multipliers.0"`` (of a block's branch).
    loss_ : float
        Training loss of the last epoch, penalty included.
    loss_curve_ : list of float
        Training loss of every epoch.
    learning_rates_ : list of float or None
        Learning rate of the last step of every epoch; None for "lbfgs".
    best_loss_ : float or None
        Lowest training loss; None with ``early_stopping``.
    validation_loss_curve_ : list of float or None
        Loss on the validation rows at each validation, without penalty.
    validation_scores_ : list of float or None
        ``early_stopping_metric`` at each validation; the loss negated, so that higher is better.
    best_validation_score_ : float or None
        Best of them; None without ``early_stopping``.
    stopping_reason_ : str
        Why training ended: "max_iter", "max_time", "no_improvement" (of the training loss),
        "early_stopping" (the validation score), "learning_rate" (adaptive, too small), "callback";
        for "lbfgs", "cg" and "newton-cg" "converged", "max_fun" or "line_search" (no lower loss was
        found).
    callbacks_ : list of (str, callback)
        The callbacks of the last fit with their names, if it had some.
    history_ : skorch.history.History
        What they and the training recorded, epoch by epoch, if there were callbacks.
    n_iter_ : int
        Epochs of the last call, or iterations of "lbfgs", "cg" and "newton-cg".
    t_ : int
        Rows that training has gone through.
    expected_depth_ : float or None
        Residual blocks that a batch goes through on average in training,
        L - (1 - p)(L + 1)/2 for L blocks and ``stochastic_depth`` p; None without ``residual``.
    n_layers_ : int
        Layers, input and output included.
    n_outputs_ : int
        Columns of y. ("quantile" with several, "gaussian" and "circular" have more outputs.)
    out_activation_ : str
        Output activation.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X had names.

    See Also
    --------
    MLPClassifier : The same for classification.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import MLPRegressor
    >>> X = np.linspace(-3, 3, 300)[:, None]
    >>> y = np.sin(X[:, 0])
    >>> model = MLPRegressor((32,), activation="tanh", optimizer="lbfgs", random_state=0)
    >>> bool(model.fit(X, y).score(X, y) > 0.99)
    True
    """

    _problem: ClassVar[str] = "numbers"
    _parameter_constraints = {**CONSTRAINTS, **REGRESSOR_CONSTRAINTS}

    def __init__(
        self,
        hidden_layer_sizes: LayerSizes = (100,),
        activation: Activations = "relu",
        *,
        loss: RegressionLossName | OwnLoss = "squared_error",
        huber_delta: float = 1.35,
        quantile: float | Sequence[float] = 0.5,
        tweedie_power: float = 1.5,
        output_range: tuple[float, float] | None = None,
        negative_slope: float = 0.01,
        normalization: Literal["batch", "layer"] | None = None,
        residual: bool | int = False,
        stochastic_depth: float | None = None,
        initialization: Initialization = "auto",
        bias_initialization: BiasInitialization = None,
        optimizer: Optimizer = "adam",
        alpha: float = 0.0001,
        l1_ratio: float = 0.0,
        weight_decay: float | Literal["auto"] = "auto",
        dropout: float | Sequence[float] = 0.0,
        dropout_type: Literal["standard", "alpha"] = "standard",
        dropout_schedule: DropoutScheduleName = "constant",
        dropout_cutoff: float = 0.5,
        input_dropout: float = 0.0,
        augmentation: Augment = None,
        max_grad_norm: float | None = None,
        max_grad_value: float | None = None,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "constant",
        learning_rate_init: float = 0.001,
        learning_rate_decay: float = 0.1,
        learning_rate_period: float = 0.25,
        learning_rate_end: float = 0.0,
        period_multiplier: float = 1.0,
        power_t: float = 0.5,
        warmup: float = 0,
        base_momentum: float | None = None,
        layer_learning_rates: Sequence[float] | None = None,
        bias_learning_rate: float = 1.0,
        max_iter: int = 200,
        max_time: float | None = None,
        averaging: AveragingName | None = None,
        averaging_start: float = 0.75,
        averaging_horizon: float = 1.0,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        early_stopping_metric: StoppingMetric = "score",
        validation_every: int = 1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        device: str = "cpu",
        dtype: Any = "auto",
        callbacks: Sequence[Any] | None = None,
    ) -> None:
        self._set_parameters(locals())

    @with_mini_batches
    def partial_fit(self, X, y, sample_weight=None) -> Self:
        """Train one epoch on these rows, going on where the last call stopped.

        The optimizer's state and the random streams are kept from call to call: n calls with the
        same rows give what ``fit`` with ``max_iter=n`` gives.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in its batch's mean loss.

        Returns
        -------
        self : object
        """
        self._check_parameters(partial=True)
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X, return_std: bool = False):
        """Predict the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Rows with the columns seen in ``fit``.
        return_std : bool, default=False
            Whether to return standard deviations too; for "gaussian".

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            With a sequence of quantiles they have one more axis, for these. With ``return_std`` a
            pair of arrays, the second with σ.

        Raises
        ------
        ValueError
            If there are no standard deviations.
        """
        logits = self._logits(X)
        targets = self._targets(self._trained)
        if not return_std:
            return targets.predictions(logits)
        if targets.loss != "gaussian":
            raise ValueError(
                "return_std=True needs loss='gaussian', which predicts standard deviations. The "
                f"regressor was fitted with loss={targets.row.name!r}."
            )
        return targets.predictions(logits), targets.deviations(logits)

    def score(self, X, y, sample_weight=None) -> float:
        """R² of the predictions; of several quantiles the mean D² of their losses, of angles D².

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True values.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
            1 is the best. D² is the share of the loss of the best constant that the predictions do
            not have: `sklearn.metrics.d2_pinball_score`; of angles for 1 - cos(difference).
        """
        predicted = self.predict(X)
        return self._targets(self._trained).score(y, predicted, sample_weight)

    # What the base class asks for

    _checked_y = staticmethod(checked_numbers)

    def _learn(self, y: np.ndarray, classes: Any) -> None:
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]

    def _targets(self, trained: Trained | None = None) -> Numbers:
        key = self._loss_key() if trained is None else trained.loss
        options = self._loss_options(key) if trained is None else trained.loss_options
        return Numbers(key, self.n_outputs_, options)

    def _loss_key(self) -> Key:
        if callable(self.loss):
            return Own(self.loss, "numbers")
        key: Key = losses_of("numbers")[self.loss]
        if key == "quantile" and np.ndim(self.quantile):
            key = Several(key)
        return key if self.output_range is None else Bounded(key)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
