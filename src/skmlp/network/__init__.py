"""The stacked network: layers, activations, starting weights, losses."""
