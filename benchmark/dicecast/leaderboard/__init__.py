"""Step 7: the leaderboard, a pure function of the records of a suite."""
