from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import GIVEN, OPTIONS, RANGES, TARGETS
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_tweedie_deviance,
)
from sklearn.utils._param_validation import StrOptions

from skmlp import MLPRegressor
from skmlp.network.loss_of_classes import FEW_CLASSES
from skmlp.network.losses import LOSSES, POSITIVE, Domain, Loss, losses_of
from skmlp.training.validation import SCORES


def logits_and_targets(loss, n=50, scale=3.0):
    rng = np.random.default_rng(0)
    width = LOSSES[loss].n_logits(3, OPTIONS[loss])
    z = torch.from_numpy(rng.normal(scale=scale, size=(1, n, width)))
    return z, torch.from_numpy(TARGETS[loss](rng, n)).unsqueeze(0)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_is_that_of_per_row(loss):
    z, t = logits_and_targets(loss)
    z.requires_grad_()
    GIVEN[loss].per_row(z, t).sum().backward()
    gradient = GIVEN[loss].gradient(z.detach(), t)
    torch.testing.assert_close(gradient, z.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_passes_central_differences(loss):
    (z, t), h = logits_and_targets(loss, scale=1.0), 1e-5
    entry = torch.eye(z.shape[-1]).double()
    ends = [torch.stack([GIVEN[loss].per_row(z + s * h * e, t) for e in entry]) for s in (1, -1)]
    expected = (ends[0] - ends[1]).movedim(0, -1) / (2 * h)
    torch.testing.assert_close(GIVEN[loss].gradient(z, t), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", [name for name in LOSSES if LOSSES[name].options])
def test_networks_have_options_of_their_own(loss):
    z, t = logits_and_targets(loss)
    z, t = z.view(2, 25, -1), t.view(2, 25, 3)
    ends = torch.tensor([RANGES[name] for name in LOSSES[loss].options], dtype=z.dtype)
    together = LOSSES[loss].given([values.view(2, 1, 1) for values in ends])
    for k in range(2):
        alone = LOSSES[loss].given(ends[:, k].tolist())
        for name in ("per_row", "delta"):
            found, expected = (getattr(of, name)(z, t)[k] for of in (together, alone))
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    assert not torch.allclose(together.per_row(z[:1], t[:1])[0], together.per_row(z[:1], t[:1])[1])


@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "huber", "log_cosh"])
def test_what_meets_its_target_stays(loss):
    z = torch.zeros(1, 2, 3, dtype=torch.float64)
    d = np.full(6, np.nan)
    total = LOSSES[loss].loop(
        2, 3, 3, z.view(-1).numpy(), np.zeros(6), np.ones(6), np.array(OPTIONS[loss]), d
    )
    assert total == GIVEN[loss].per_row(z, z).abs().max() == 0.0
    assert not GIVEN[loss].delta(z, z).any()
    assert not d.any()


@pytest.mark.parametrize("loss", LOSSES)
def test_loops_are_the_weighted_sum_and_its_gradient(loss):
    (z, t), scale = logits_and_targets(loss), np.random.default_rng(1).uniform(size=50)
    gradient = np.empty(z.numel())
    total = LOSSES[loss].loop(
        50,
        z.shape[-1],
        3,
        z.numpy().ravel(),
        t.numpy().ravel(),
        scale.repeat(3),
        np.array(OPTIONS[loss]),
        gradient,
    )
    weights = torch.from_numpy(scale)
    expected = (GIVEN[loss].per_row(z, t)[0] * weights).sum().item()
    assert total == pytest.approx(expected, rel=1e-12)
    delta = GIVEN[loss].delta(z, t)[0] * weights.unsqueeze(1)
    np.testing.assert_allclose(gradient.reshape(50, -1), delta.numpy(), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_loops_of_the_mean(loss):
    """Without one, scores look at logits: which is largest, or which are above zero."""
    z, _ = logits_and_targets(loss)
    row = LOSSES[loss]
    if row.mean_loop is None:
        assert row.out_activation in ("softmax", "logistic", "identity")
        return
    found = z.numpy().ravel().copy()
    row.mean_loop(50, z.shape[-1], 3, found)
    np.testing.assert_allclose(found[:150], GIVEN[loss].mean(z).numpy().ravel())


def test_log_loss_is_scikit_learns():
    z, t = logits_and_targets("log_loss")
    ours = LOSSES["log_loss"].per_row(z, t).mean().item()
    proba = LOSSES["log_loss"].mean(z)[0].numpy()
    assert ours == pytest.approx(log_loss(t[0].argmax(1).numpy(), proba))


def test_binary_log_loss_is_torchs_summed_over_outputs():
    z, t = logits_and_targets("binary_log_loss")
    expected = torch.nn.functional.binary_cross_entropy_with_logits(z, t, reduction="none").sum(-1)
    torch.testing.assert_close(LOSSES["binary_log_loss"].per_row(z, t), expected)


def mean_of_one_output(loss, options, **others):
    """What rows lose on average, and the arguments that scikit-learn's metrics take."""
    z, t = (values[..., :1] for values in logits_and_targets(loss, **others))
    row = LOSSES[loss].given(options)
    return row.per_row(z, t).mean().item(), t[0, :, 0].numpy(), row.mean(z)[0, :, 0].numpy()


@pytest.mark.parametrize(
    ("loss", "options", "deviance"),
    [
        ("poisson", (), mean_poisson_deviance),
        ("gamma", (), mean_gamma_deviance),
        ("tweedie", (1.2,), lambda t, mean: mean_tweedie_deviance(t, mean, power=1.2)),
        ("tweedie", (1.9,), lambda t, mean: mean_tweedie_deviance(t, mean, power=1.9)),
    ],
)
def test_losses_with_a_log_link_are_half_the_deviance(loss, options, deviance):
    found, t, mean = mean_of_one_output(loss, options, scale=1.0)
    assert found == pytest.approx(deviance(t, mean) / 2)
    assert LOSSES[loss].out_activation == "exp"


def test_tweedie_is_near_poisson_and_gamma_at_its_ends():
    t = torch.from_numpy(TARGETS["gamma"](np.random.default_rng(0), 50)).unsqueeze(0)
    z, _ = logits_and_targets("gamma", scale=1.0)
    for power, end in [(1 + 1e-5, "poisson"), (2 - 1e-5, "gamma")]:
        found = LOSSES["tweedie"].given([power]).per_row(z, t)
        torch.testing.assert_close(found, LOSSES[end].per_row(z, t), rtol=1e-3, atol=1e-3)


def test_absolute_error_is_scikit_learns():
    found, t, z = mean_of_one_output("absolute_error", ())
    assert found == pytest.approx(mean_absolute_error(t, z))


@pytest.mark.parametrize("quantile", [0.01, 0.5, 0.8])
def test_quantile_is_scikit_learns_pinball_loss(quantile):
    found, t, z = mean_of_one_output("quantile", (quantile,))
    assert found == pytest.approx(mean_pinball_loss(t, z, alpha=quantile))


@pytest.mark.parametrize("delta", [0.2, 1.35, 50.0])
def test_huber_is_torchs(delta):
    z, t = logits_and_targets("huber")
    expected = torch.nn.functional.huber_loss(z, t, delta=delta, reduction="none").sum(-1)
    torch.testing.assert_close(LOSSES["huber"].given([delta]).per_row(z, t), expected)


def test_log_cosh_is_what_its_name_says():
    z, t = logits_and_targets("log_cosh")
    expected = np.log(np.cosh((z - t).numpy())).sum(-1)
    np.testing.assert_allclose(LOSSES["log_cosh"].per_row(z, t).numpy(), expected)


def test_squared_error_is_half_the_square_summed_over_outputs():
    z, t = logits_and_targets("squared_error")
    expected = 0.5 * ((z - t) ** 2).sum(-1)
    torch.testing.assert_close(LOSSES["squared_error"].per_row(z, t), expected)


@pytest.mark.parametrize("loss", ["log_loss", "binary_log_loss"])
def test_huge_logits_give_finite_losses(loss):
    z = torch.tensor([[[1000.0, -1000.0, 0.0]]])
    t = torch.tensor([[[0.0, 1.0, 0.0]]])
    value = LOSSES[loss].per_row(z, t)
    assert torch.isfinite(value).all()
    assert torch.isfinite(LOSSES[loss].delta(z, t)).all()
    assert value.item() >= 1000.0


@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "huber", "log_cosh"])
def test_huge_differences_give_finite_losses(loss):
    z = torch.tensor([[[1e200, -1e200]]], dtype=torch.float64)
    t, d = torch.zeros_like(z), np.empty(2)
    value = GIVEN[loss].per_row(z, t).item()
    assert np.isfinite(value)
    options = np.array(OPTIONS[loss])
    arrays = z.view(-1).numpy(), np.zeros(2), np.ones(2)
    assert LOSSES[loss].loop(1, 2, 2, *arrays, options, d) == pytest.approx(value)
    assert np.abs(d).max() <= max((1.0, *OPTIONS[loss]))
    np.testing.assert_allclose(GIVEN[loss].delta(z, t).view(-1).numpy(), d)


@pytest.mark.parametrize("n_classes", [2, FEW_CLASSES, FEW_CLASSES + 1])
def test_softmax_is_torchs_for_few_and_many_classes(n_classes):
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 7, n_classes)))
    torch.testing.assert_close(LOSSES["log_loss"].mean(z), torch.softmax(z, -1))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_row_has_a_score_and_at_least_a_logit_for_each_target(loss):
    assert loss.score in SCORES
    options = (0.5,) * len(loss.options)
    assert loss.n_logits(3, options) >= loss.n_logits(1, options) >= 1


def test_a_problem_has_each_name_once():
    for problem in ("classes", "labels", "numbers"):
        keys = losses_of(problem)
        assert len(keys) == sum(loss.problem == problem for loss in LOSSES.values())
        assert all(LOSSES[key].name == name for name, key in keys.items())
    assert losses_of("labels")["log_loss"] == "binary_log_loss"
    assert set(losses_of("labels")) == set(losses_of("classes"))


@pytest.mark.parametrize("loss", losses_of("numbers"))
def test_the_regressor_names_its_losses_and_has_their_options(loss):
    assert f'"{loss}"' in (MLPRegressor.__doc__ or "")
    assert set(LOSSES[loss].options) <= set(MLPRegressor().get_params())


def test_targets_outside_of_the_domain_are_refused():
    LOSSES["poisson"].check_targets(np.array([[0.0], [3.0]]), "y")
    LOSSES["squared_error"].check_targets(np.array([[-2.5], [3.0]]), "y")
    with pytest.raises(ValueError, match=r"'poisson'.*at least zero; y_val goes down to -2\.5\."):
        LOSSES["poisson"].check_targets(np.array([[-2.5], [3.0]]), "y_val")
    assert (POSITIVE.has(1e-300), POSITIVE.has(0.0)) == (True, False)
    with pytest.raises(ValueError, match=r"'gamma'.*more than zero; y goes down to 0\..*Use loss="):
        LOSSES["gamma"].check_targets(np.array([[0.0], [3.0]]), "y")


def _gaussian(z, t):
    mean, log_variance = z.chunk(2, -1)
    return 0.5 * ((t - mean).square() * (-log_variance).exp() + log_variance).sum(-1)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_row_is_enough_for_a_loss_with_several_logits_per_target(
    n_outputs, optimizer, monkeypatch
):
    row = Loss(
        name="own_gaussian",
        problem="numbers",
        score="r2",
        out_activation="identity",
        per_row=_gaussian,
        delta=None,
        mean=lambda z: z.chunk(2, -1)[0],
        domain=Domain("at least minus nine", lambda lowest: lowest >= -9),
        n_logits=lambda n_targets, options: 2 * n_targets,
    )
    monkeypatch.setitem(LOSSES, "own_gaussian", row)
    constraints = {**MLPRegressor._parameter_constraints, "loss": [StrOptions({"own_gaussian"})]}
    monkeypatch.setattr(MLPRegressor, "_parameter_constraints", constraints)
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = X[:, 0] if n_outputs == 1 else X[:, :2]
    model = MLPRegressor((8,), loss="own_gaussian", optimizer=optimizer, learning_rate_init=0.01)
    model.set_params(random_state=0, early_stopping=True, max_iter=100).fit(X, y)
    assert model.predict(X).shape == y.shape
    assert (model.n_outputs_, model.coefs_[-1].shape) == (n_outputs, (8, 2 * n_outputs))
    assert model.score(X, y) > 0.9
    with pytest.raises(
        ValueError, match=r"loss='own_gaussian' needs targets of at least minus nine"
    ):
        model.fit(X, y - 9)
