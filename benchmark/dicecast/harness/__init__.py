"""The harness: runs a suite stage by stage, from data to records."""
