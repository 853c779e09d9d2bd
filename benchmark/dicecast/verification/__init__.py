"""Are these results true? Records, the tables made from them, and stored artifacts are checked."""
