"""The places of the tables that the compiled loops take."""

from __future__ import annotations

# Columns of ``layers``, an integer table with a row for each layer of units, the input's first.
# Numbers: width; where its values begin in the workspace; where the weights and biases that lead to
# it begin among the parameters; what the workspace's second part keeps for the derivative; its
# dropout threshold; where its random levels begin. Addresses of pieces: the product of matrices, if
# not BLAS's; what leads to it (for the input: what gathers rows), the gradients of its weights and
# biases and that of the layer below; its activation and the derivative; dropout and its
# derivative.
(
    WIDTH,
    UNITS_AT,
    WEIGHTS_AT,
    BIASES_AT,
    SAVED,
    THRESHOLD,
    LEVELS_AT,
    PRODUCT,
    FORWARD,
    GRADIENT,
    BACK,
    ACTIVATE,
    DERIVE,
    DROP,
    DROP_BACK,
) = range(15)
N_COLUMNS = 15
INPUT, OUTPUT = 1, 2  # what is kept

# Places in ``at``, the addresses of what a network has besides its layers; 0: it has it not.
GEMM, LOSS, MEAN, SCORE, PENALTY, CLIP, DECAY, UPDATE, AVERAGE, BOUND, BOUND_BACK = range(11)
N_ADDRESSES = 11

# Places in ``numbers``, in float64: what a step depends on; from the last on, the loss' options,
# and at the end the widths of as many groups of logits as GROUPS says, if not all are one.
RATE, L1, L2, WEIGHT_DECAY, MAX_VALUE, MAX_NORM, SLOPE, LOW, HIGH, GROUPS, OPTIONS = range(11)
