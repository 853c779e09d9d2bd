"""Step 5: quality heads turn what is known of a segmentation into a predicted Dice."""
