"""The version of the package, and of the protocol that its numbers follow."""

__version__ = "0.1.0"

PROTOCOL_VERSION = 1
"""Raised whenever a change makes new numbers incomparable with old ones."""

RECORD_SCHEMA_VERSION = 2
"""Raised whenever a record's columns or sidecar keys change; see ``record_migration``."""
