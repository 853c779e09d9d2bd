"""Every metric of many scores in many bootstrap resamples, without repeating a case."""
