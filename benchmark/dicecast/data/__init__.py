"""Step 1: datasets become ``SegmentationData``, cases with images, masks and roles."""
