"""Fused searches: the fits of a search meet and train together, in this process or in several."""
