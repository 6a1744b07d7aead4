"""Training: networks in, what came of each out."""

from .conductor import Conductor, Ticket, train

__all__ = ["Conductor", "Ticket", "train"]
