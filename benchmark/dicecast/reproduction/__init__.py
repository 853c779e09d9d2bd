"""Records, computed again from what they say of themselves, and compared case by case."""
