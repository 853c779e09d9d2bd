"""Step 3: estimators give draws; draws are accumulated into a ``Prediction``."""
