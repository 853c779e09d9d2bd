"""``python -m dicecast``."""

from dicecast.cli.main import main

main()
