"""What the compiled loops know choices by: small numbers, and the columns of their tables."""

from __future__ import annotations

# Activations
(
    IDENTITY,
    LOGISTIC,
    TANH,
    RELU,
    LEAKY_RELU,
    ELU,
    SELU,
    GELU,
    SILU,
    MISH,
    SOFTPLUS,
) = range(11)
ACTIVATION_CODES = {
    "identity": IDENTITY,
    "logistic": LOGISTIC,
    "tanh": TANH,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "elu": ELU,
    "selu": SELU,
    "gelu": GELU,
    "silu": SILU,
    "mish": MISH,
    "softplus": SOFTPLUS,
}
# Their derivative is computed from the input, all others' from the output.
NEEDS_INPUT = (GELU, SILU, MISH)

# Losses
LOG_LOSS, BINARY_LOG_LOSS, SQUARED_ERROR, POISSON = range(4)
LOSS_CODES = {
    "log_loss": LOG_LOSS,
    "binary_log_loss": BINARY_LOG_LOSS,
    "squared_error": SQUARED_ERROR,
    "poisson": POISSON,
}

# Scores
ACCURACY, SUBSET_ACCURACY, R2 = range(3)
SCORE_CODES = {"accuracy": ACCURACY, "subset_accuracy": SUBSET_ACCURACY, "r2": R2}

# Optimizers
ADAM, NADAM, ADAMAX, RADAM, RMSPROP, ADAGRAD, ADADELTA, SGD, NO_STEP = range(9)
OPTIMIZER_CODES = {
    "adam": ADAM,
    "adamw": ADAM,
    "nadam": NADAM,
    "adamax": ADAMAX,
    "radam": RADAM,
    "rmsprop": RMSPROP,
    "adagrad": ADAGRAD,
    "adadelta": ADADELTA,
    "sgd": SGD,
    "lbfgs": NO_STEP,  # the loops only compute its gradients
}

# Columns of ``layers``, an integer table with a row for each layer of units, the input's first:
# width; where its values begin in the workspace; where the weights and biases that lead to it
# begin among the parameters; its activation; whether the workspace's second part has what the
# derivative needs; its dropout threshold; where its random levels begin; for the input's, whether
# the values of one unit lie together (1), or those of one row.
WIDTH, UNITS_AT, WEIGHTS_AT, BIASES_AT, CODE, IS_SAVED, THRESHOLD, LEVELS_AT, COLUMNS = range(9)
N_COLUMNS = 9

# Places in ``numbers``, in float64: what a step depends on, and what it changes.
(
    RATE,
    L1,
    L2,
    DECAY,
    MAX_VALUE,
    MAX_NORM,
    BETA_1,
    BETA_2,
    EPSILON,
    MOMENTUM,
    NESTEROV,
    SLOPE,
    STEP,
    MU_PRODUCT,
) = range(14)
N_NUMBERS = 14
