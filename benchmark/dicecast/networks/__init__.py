"""Step 2a: the segmentation networks that all estimators share, and the noise they may carry."""
