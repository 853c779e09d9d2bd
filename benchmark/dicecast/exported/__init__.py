"""Predictions that were made elsewhere: read from a folder, and scored as an estimator's are."""
