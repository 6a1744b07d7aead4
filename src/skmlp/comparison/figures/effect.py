"""Effect of a parameter: the inner scores of all settings tried, by its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..tuning import is_network
from .canvas import (
    GREY,
    colour_of,
    cut_below,
    legend_below,
    log_axis,
    marker_of,
    new_figure,
    new_panels,
)

if TYPE_CHECKING:
    from ..result import Comparison

__all__ = ["draw_c", "draw_parameters", "tried_c", "tried_parameters"]


def tried_c(comparison: Comparison) -> dict[str, str]:
    """Contestants that tried several values of C, and what it is called in their grid."""
    return {
        contestant: name
        for contestant, name in _searched(comparison)
        if name.rpartition("__")[2] == "C"
    }


def tried_parameters(comparison: Comparison) -> list[tuple[str, str]]:
    """Networks among the contestants, with each parameter they tried several values of."""
    networks = {one.name for one in comparison.plan.contestants if is_network(one)}
    return [
        (contestant, name) for contestant, name in _searched(comparison) if contestant in networks
    ]


def _searched(comparison: Comparison) -> list[tuple[str, str]]:
    found = []
    for contestant in comparison.plan.contestants:
        tried = comparison.tuning[comparison.tuning["contestant"] == contestant.name]
        names = dict.fromkeys(name for setting in contestant.settings for name in setting)
        found += [
            (contestant.name, name)
            for name in names
            if name in tried and tried[name].dropna().map(str).nunique() > 1
        ]
    return found


def draw_c(comparison: Comparison, metric: str) -> Any:
    """A line for each machine: the best inner score at each C, over the other parameters."""
    figure = new_figure(height=4.0)
    panel = figure.subplots()
    lines = {
        contestant: _by_value(comparison, contestant, name)["best"]
        for contestant, name in tried_c(comparison).items()
    }
    for contestant, best in lines.items():
        panel.plot(
            best.index.astype(float),
            best,
            color=colour_of(comparison.plan, contestant),
            marker=marker_of(comparison.plan, contestant),
            ms=5,
            lw=1.6,
            label=contestant,
        )
    log_axis(panel.xaxis, [value for best in lines.values() for value in best.index])
    panel.set_xlabel("C")
    panel.set_ylabel(f"inner {_tuned(comparison)}, best setting at this C")
    panel.grid(color="#e3e8ed")
    cut_below(panel, np.concatenate(list(lines.values())))
    legend_below(figure, panel)
    return figure


def draw_parameters(comparison: Comparison, metric: str) -> Any:
    """A panel for each parameter: every setting as a point, mean and best at each value."""
    wanted = tried_parameters(comparison)
    figure, panels = new_panels(len(wanted), (3.6, 2.9), sharey=True)
    for panel, (contestant, name) in zip(panels, wanted, strict=True):
        _draw_parameter(panel, comparison, contestant, name)
    cut_below(panels[0], np.concatenate([_settings(comparison, *one)["score"] for one in wanted]))
    panels[0].set_ylabel(f"inner {_tuned(comparison)}")
    legend_below(figure, panels[0])
    return figure


def _draw_parameter(panel: Any, comparison: Comparison, contestant: str, name: str) -> None:
    settings = _settings(comparison, contestant, name)
    by_value = _by_value(comparison, contestant, name)
    places = {value: place for place, value in enumerate(by_value.index)}
    colour = colour_of(comparison.plan, contestant)
    # Values stand side by side at equal distances: sizes of layers and names have no scale.
    panel.scatter(
        settings["value"].map(places),
        settings["score"],
        s=24,
        color=GREY,
        alpha=0.6,
        zorder=3,
        linewidths=0,
        label="a setting",
    )
    panel.plot(range(len(places)), by_value["best"], color=colour, marker="o", ms=5, label="best")
    panel.plot(range(len(places)), by_value["mean"], color=colour, ls=":", label="mean")
    panel.set_xticks(range(len(places)), [str(value) for value in places])
    panel.set_xlim(-0.4, len(places) - 0.6)
    panel.set_title(f"{contestant}: {name.rpartition('__')[2]}", fontsize=11)
    panel.grid(axis="y", color="#e3e8ed")


def _settings(comparison: Comparison, contestant: str, name: str) -> pd.DataFrame:
    """A row for each setting: its value of a parameter, and its mean score over the outer folds."""
    tried = comparison.tuning
    tried = tried[(tried["contestant"] == contestant) & tried[name].map(_given)]
    names = dict.fromkeys(
        key for setting in comparison.plan.contestant(contestant).settings for key in setting
    )
    # As text, because values of a parameter may be lists, and of several types.
    same = tried[list(names)].map(str).agg(" ".join, axis=1)
    return tried.groupby(same, sort=False).agg(value=(name, "first"), score=("score", "mean"))


def _given(value: Any) -> bool:
    return not (isinstance(value, float) and np.isnan(value))


def _by_value(comparison: Comparison, contestant: str, name: str) -> pd.DataFrame:
    """Mean and best score at each value of a parameter, in the order of the grid."""
    settings = _settings(comparison, contestant, name)
    return (
        settings.groupby("value", sort=False)["score"]
        .agg(["mean", "max"])
        .rename(columns={"max": "best"})
    )


def _tuned(comparison: Comparison) -> str:
    """The metric that tuning maximized, whichever the caller asks for."""
    return comparison.plan.metrics[0].name
