"""Step 4: aggregations turn a mask and an uncertainty map, or agreeing draws, into one number."""
