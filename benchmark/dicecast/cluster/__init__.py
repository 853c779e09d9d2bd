"""Runs a suite on several processes or machines with Dask; nothing else imports Dask."""
