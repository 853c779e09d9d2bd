"""Step 2b: one trainer for every network, and ``train_backbone``, which stores what it trains."""
