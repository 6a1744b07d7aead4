"""What a score costs: time of tuning and fitting, time of predicting, size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .canvas import colour_of, legend_below, log_axis, marker_of, new_panels

if TYPE_CHECKING:
    from ..result import Comparison

__all__ = ["draw_cost"]


def draw_cost(comparison: Comparison, metric: str) -> Any:
    """Score (mean and standard deviation) against each cost, on a logarithmic axis."""
    costs = _costs(comparison.table)
    figure, panels = new_panels(len(costs), (3.6, 3.0), sharey=True)
    for panel, (label, values) in zip(panels, costs.items(), strict=True):
        for name, cost in values.items():
            _draw_point(panel, comparison, metric, str(name), float(cost))
        log_axis(panel.xaxis, values)
        panel.set_xlabel(label)
        panel.grid(color="#e3e8ed")
        panel.set_axisbelow(True)
    panels[0].set_ylabel(metric)
    legend_below(figure, panels[0])
    return figure


def _costs(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Costs by their label on the axis; those that nobody has are left out."""
    units = " or ".join(dict.fromkeys(unit for unit in table["size_unit"] if unit))
    costs = {
        "tuning and fitting one fold (s)": table["tuning_seconds"] + table["fit_seconds"],
        "predicting 1000 rows (ms)": 1000 * table["predict_seconds"],
        f"size: {units}".replace(" or ", "\nor "): table["size"],
    }
    return {label: values for label, values in costs.items() if (values > 0).any()}


def _draw_point(panel: Any, comparison: Comparison, metric: str, name: str, cost: float) -> None:
    mean, std = comparison.table.loc[name, [metric, f"{metric}_std"]].astype(float)
    panel.errorbar(
        # A missing cost leaves no point, but the name stays in the legend.
        cost if cost > 0 else np.nan,
        mean,
        yerr=0 if np.isnan(std) else std,
        fmt=marker_of(comparison.plan, name),
        color=colour_of(comparison.plan, name),
        ms=7,
        capsize=3,
        lw=1,
        label=name,
    )
