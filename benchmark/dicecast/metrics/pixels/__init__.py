"""Metrics of pixels: how right the probabilities are, and whether a map shows where it is wrong."""
