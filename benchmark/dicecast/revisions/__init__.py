"""What moved between two versions of results."""
