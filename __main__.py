"""`python -m greenloop`."""

from .cli.main import main

main()
