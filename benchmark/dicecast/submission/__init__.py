"""Records that somebody wants to add to a repository's results: one checklist."""
