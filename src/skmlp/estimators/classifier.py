"""Multilayer perceptron for classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin

from ..network.losses import losses_of
from ..task import Rows
from .base import BaseMLP, with_mini_batches
from .class_weight import weighted_by_class
from .constraints import CLASSIFIER_CONSTRAINTS, CONSTRAINTS
from .names import (
    Activations,
    BiasInitialization,
    ClassWeight,
    Initialization,
    LayerSizes,
    Optimizer,
    RandomState,
    ScheduleName,
    StoppingMetric,
)
from .rows import take, with_weight
from .targets import (
    Classes,
    Labels,
    TwoClasses,
    check_classes_of_partial_fit,
    checked_labels,
    learned_classes,
)


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multilayer perceptron classifier.

    Binary and multilabel problems have logistic outputs, multiclass ones a softmax; the loss is
    the cross-entropy. Parameters have scikit-learn's names, defaults and meaning where
    `sklearn.neural_network.MLPClassifier` has them, with ``optimizer`` in place of ``solver``.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer. An empty sequence is a linear model.
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers, or one per layer: "identity", "logistic", "tanh", "relu",
        "leaky_relu", "elu", "selu", "gelu", "silu", "mish" or "softplus".
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes, multiplied into the sample weights; "balanced" gives every class
        the same total. A list has a dict per label, for multilabel problems. The validation loss
        and score do not use them.
    label_smoothing : float, default=0.0
        ε: targets become (1 - ε) times themselves plus ε spread evenly over the classes
        (Szegedy et al. 2016). Validation uses plain targets.
    negative_slope : float, default=0.01
        Slope of "leaky_relu" below zero.
    normalization : {"batch", "layer"} or None, default=None
        What stands between each hidden layer's product and its activation, with a trained scale and
        shift. "batch": each unit over the rows of the batch, in predictions by running averages
        (Ioffe & Szegedy 2015). "layer": each row over the layer's units (Ba et al. 2016).
    initialization : str, rule such as `skmlp.VarianceScaling`, or callable, default="auto"
        Starting weights. With fan_in and fan_out a layer's widths: "glorot_uniform",
        "glorot_normal" (variance 2/(fan_in + fan_out)), "he_uniform", "he_normal" (2/fan_in, for
        leaky_relu divided by 1 + slope²), "he_uniform_fan_out", "he_normal_fan_out" (2/fan_out),
        "lecun_uniform", "lecun_normal" (1/fan_in), "orthogonal", "sklearn" and "torch" (what
        those libraries do, biases included) and "lisa_sigmoid" (four times Glorot's bound).
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
        "adam", "adamw", "nadam", "adamax", "radam", "rmsprop", "adagrad", "adadelta", "sgd", or
        "lbfgs", which works on all rows at once. A class is called with the parameters and
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
    max_grad_norm : float, default=None
        Gradients whose norm, over all layers, is larger are scaled down to it.
    max_grad_value : float, default=None
        Entries of the gradients are cut to [-max_grad_value, max_grad_value].
    batch_size : int or "auto", default="auto"
        Rows per step; "auto" is min(200, n_samples). "lbfgs" uses all rows.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        How the rate changes, with every optimizer (scikit-learn: "sgd" only). "invscaling":
        learning_rate_init / (t_ + 1)^power_t after each epoch. "adaptive": divided by 5 whenever
        training would stop for want of improvement, down to 1e-6.
    learning_rate_init : float, default=0.001
        The (first) learning rate. "adadelta" is meant for about 1.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Most epochs, or iterations of "lbfgs".
    max_time : float, default=None
        Seconds after which training stops, at the end of the epoch or iteration. They are those
        of the network's own training, without the checks of the input; in a stack (see
        `skmlp.fused`) the network's share of each step. ``partial_fit`` does not look at them.
    shuffle : bool, default=True
        Whether rows are in a new order every epoch.
    random_state : int, RandomState instance or None, default=None
        Decides starting weights, row order, dropout and the validation split. None draws fresh
        entropy; global generators are never used nor changed.
    tol : float, default=1e-4
        Smallest improvement that counts, of the training loss or of ``early_stopping_metric``, in
        its units; for "lbfgs" also the largest gradient entry at the end.
    verbose : bool or int, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether ``fit`` starts from the weights of the last fit.
    momentum : float, default=0.9
        Momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to stop when the validation score no longer improves, and return to the best
        weights. The score is the accuracy (multilabel: of whole rows), on
        ``validation_fraction`` of the rows or on ``X_val``.
    validation_fraction : float, default=0.1
        Share of the rows that ``early_stopping`` holds out, with the proportions of the
        classes where their counts allow it; of the groups, where ``fit`` is given ``groups``.
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
        Decay rates of the moments, for "adam", "adamw", "nadam", "adamax" and "radam".
    epsilon : float, default=1e-8
        Numerical stability of the same optimizers; "rmsprop", "adagrad" and "adadelta" keep
        torch's defaults.
    n_iter_no_change : int or inf, default=10
        Epochs without an improvement by ``tol`` before training stops; validations, where
        ``early_stopping`` looks at them.
    max_fun : int, default=15000
        Most evaluations of the loss by "lbfgs".
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
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted; for multilabel problems the columns' numbers.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer.
    parameters_ : dict of str to ndarray of shape (width,)
        What ``normalization`` adds, by name and hidden layer: ``"scales.0"``, ``"shifts.0"``, and
        of batch normalization the running ``"means.0"``, ``"variances.0"`` and ``"counts.0"``
        (batches seen).
    loss_ : float
        Training loss of the last epoch, penalty included.
    loss_curve_ : list of float
        Training loss of every epoch.
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
        for "lbfgs" "converged", "max_fun" or "line_search" (no lower loss was found).
    callbacks_ : list of (str, callback)
        The callbacks of the last fit with their names, if it had some.
    history_ : skorch.history.History
        What they and the training recorded, epoch by epoch, if there were callbacks.
    n_iter_ : int
        Epochs of the last call, or iterations of "lbfgs".
    t_ : int
        Rows that training has gone through.
    n_layers_ : int
        Layers, input and output included.
    n_outputs_ : int
        Outputs of the network.
    out_activation_ : str
        Output activation.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X had names.

    See Also
    --------
    MLPRegressor : The same for regression.
    sklearn.svm.SVC : Kernel classifier, for comparison (`skmlp.compare`).

    References
    ----------
    Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural
    networks". He et al. (2015), arXiv:1502.01852. Kingma & Ba (2014), arXiv:1412.6980.
    Loshchilov & Hutter (2019), arXiv:1711.05101.

    Examples
    --------
    >>> from sklearn.datasets import make_circles
    >>> from skmlp import MLPClassifier
    >>> X, y = make_circles(400, noise=0.1, factor=0.5, random_state=0)
    >>> model = MLPClassifier((16,), learning_rate_init=0.02, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.98)
    True
    >>> model.predict([[0.0, 0.0], [1.0, 0.0]])
    array([1, 0])
    """

    _parameter_constraints = {**CONSTRAINTS, **CLASSIFIER_CONSTRAINTS}

    def __init__(
        self,
        hidden_layer_sizes: LayerSizes = (100,),
        activation: Activations = "relu",
        *,
        class_weight: ClassWeight = None,
        label_smoothing: float = 0.0,
        negative_slope: float = 0.01,
        normalization: Literal["batch", "layer"] | None = None,
        initialization: Initialization = "auto",
        bias_initialization: BiasInitialization = None,
        optimizer: Optimizer = "adam",
        alpha: float = 0.0001,
        l1_ratio: float = 0.0,
        weight_decay: float | Literal["auto"] = "auto",
        dropout: float | Sequence[float] = 0.0,
        max_grad_norm: float | None = None,
        max_grad_value: float | None = None,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: ScheduleName = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        max_time: float | None = None,
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
    def partial_fit(self, X, y, sample_weight=None, classes=None) -> Self:
        """Train one epoch on these rows, going on where the last call stopped.

        The optimizer's state and the random streams are kept from call to call: n calls with the
        same rows give what ``fit`` with ``max_iter=n`` gives.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels or an indicator matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in its batch's mean loss.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever be seen; needed in the first call (not for multilabel ``y``).

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the first call lacks ``classes``, or a label is not among them.
        """
        self._check_parameters(partial=True)
        known = self.classes_ if hasattr(self, "coefs_") else None
        check_classes_of_partial_fit(classes, y, known)
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once: for partial_fit compute the "
                "weights with sklearn.utils.compute_class_weight and give them as a dict."
            )
        return self._partial_fit(X, y, sample_weight, classes)

    def decision_function(self, X) -> np.ndarray:
        """Logits of the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
            For two classes, the log-odds of ``classes_[1]``.
        """
        logits = self._logits(X)
        return self._targets(self._trained.loss).decision(logits)

    def predict_proba(self, X) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns as in ``classes_``; for multilabel problems the probability of each label.
        """
        logits = self._logits(X)
        return self._targets(self._trained.loss).probabilities(logits)

    def predict_log_proba(self, X) -> np.ndarray:
        """Logarithms of the probabilities of the classes, computed from the logits.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Finite even where ``predict_proba`` rounds to zero.
        """
        logits = self._logits(X)
        with np.errstate(under="ignore"):
            return self._targets(self._trained.loss).log_probabilities(logits)

    # What the base class asks for

    _checked_y = staticmethod(checked_labels)

    def _learn(self, y: np.ndarray, classes: Any) -> None:
        self._multilabel = y.ndim == 2
        self.classes_ = learned_classes(y, classes)
        self.n_outputs_ = self._targets().n_outputs

    def _targets(self, loss: str | None = None) -> Classes:
        kind = Labels if self._multilabel else TwoClasses if len(self.classes_) == 2 else Classes
        loss = loss or losses_of(kind.problem)["log_loss"]
        return kind(loss, self.classes_, self.label_smoothing)

    def _with_class_weights(self, rows: Rows) -> Rows:
        if self.class_weight is None:
            return rows
        weights = weighted_by_class(self.class_weight, rows.labels, self.classes_, rows.weights)
        return take(replace(rows, weights=weights), with_weight(weights))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
