"""`python -m calcimetry` is `calcimetry`."""

from calcimetry.cli import main

main()
