"""Covering arrays: few settings in which every pair of two parameters' values occurs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple


class Clash(NamedTuple):
    """Values of two parameters that make no sense together; an error says so.

    Attributes
    ----------
    first, second : str
        Names of the parameters.
    of_first, of_second : callable
        Whether a value is one of those.
    """

    first: str
    of_first: Callable[[Any], bool]
    second: str
    of_second: Callable[[Any], bool]


# Name, and index of the value. Pairs have their places in the order of the names.
Place = tuple[str, int]


class Covering:
    """Rows that together have each pair of values, but for those that clash.

    Parameters
    ----------
    values : mapping of str to sequence
        Of each parameter, the default first.
    clashes : sequence of Clash
    seed : int

    Attributes
    ----------
    rows : list of dict
    clashing : list of dict
        A row for each pair that clashes: the two values alone.
    """

    def __init__(
        self, values: Mapping[str, Sequence[Any]], clashes: Sequence[Clash] = (), seed: int = 0
    ):
        self.values, self._rng = values, random.Random(seed)
        self._rank = {name: i for i, name in enumerate(values)}
        self._places = {name: [(name, i) for i in range(len(of))] for name, of in values.items()}
        pairs = [
            (a, b)
            for one, other in combinations(values, 2)
            for a in self._places[one]
            for b in self._places[other]
        ]
        self._forbidden = {
            pair for clash in clashes for pair in pairs if self._is_of(clash, dict(pair))
        }
        self._missing = dict.fromkeys(pair for pair in pairs if pair not in self._forbidden)
        self.n_pairs = len(self._missing)
        self.rows = []
        while self._missing:
            self.rows.append(self._next_row())
        self.clashing = [self._given(dict(pair)) for pair in pairs if pair in self._forbidden]

    def _is_of(self, clash: Clash, pair: dict[str, int]) -> bool:
        return set(pair) == {clash.first, clash.second} and (
            clash.of_first(self.values[clash.first][pair[clash.first]])
            and clash.of_second(self.values[clash.second][pair[clash.second]])
        )

    def _given(self, chosen: Mapping[str, int]) -> dict[str, Any]:
        return {name: self.values[name][i] for name, i in chosen.items()}

    def _next_row(self) -> dict[str, Any]:
        """A row with a pair that is missing, and as many others as come easily."""
        chosen: list[Place] = list(next(iter(self._missing)))
        names = [name for name in self.values if name not in dict(chosen)]
        self._rng.shuffle(names)
        for name in names:
            chosen.append(self._best(name, chosen))
        for one, other in combinations(chosen, 2):
            self._missing.pop(self._pair(one, other), None)
        return self._given(dict(chosen))

    def _best(self, name: str, chosen: Sequence[Place]) -> Place:
        """The value that brings the most missing pairs with what is chosen."""
        possible = [
            place
            for place in self._places[name]
            if not any(self._pair(place, other) in self._forbidden for other in chosen)
        ]
        if not possible:
            raise ValueError(f"No value of {name!r} goes with {self._given(dict(chosen))}.")
        self._rng.shuffle(possible)
        return max(possible, key=lambda p: sum(self._pair(p, o) in self._missing for o in chosen))

    def _pair(self, one: Place, other: Place) -> tuple[Place, Place]:
        return (one, other) if self._rank[one[0]] < self._rank[other[0]] else (other, one)
