"""Blocks that change one thing and restore it, and may end in another order than they began."""

from __future__ import annotations

from typing import Any


class Restore:
    """What a block found, and puts back when it ends."""

    def __init__(self, state: Any):
        self.state = state


class Overlap:
    """The blocks that are open now, in the order in which they began.

    Each has found what the one before it had set. If a block ends before one that began after
    it, there is nothing to put back yet: what it found goes to the block after it.

    Examples
    --------
    >>> blocks = Overlap()
    >>> first, second = blocks.begin("outside"), blocks.begin("of the first")
    >>> blocks.end(first) is None
    True
    >>> blocks.end(second).state
    'outside'
    """

    def __init__(self) -> None:
        self._open: list[Restore] = []

    def begin(self, found: Any) -> Restore:
        """Open a block that has found a state."""
        self._open.append(Restore(found))
        return self._open[-1]

    def end(self, block: Restore) -> Restore | None:
        """Close a block; return it if its state is to be put back now."""
        place = self._open.index(block)
        del self._open[place]
        if place == len(self._open):
            return block
        self._open[place].state = block.state
        return None
