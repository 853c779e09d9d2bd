"""Step 6: scores against the true quality. NumPy in, numbers out; undefined is NaN."""
