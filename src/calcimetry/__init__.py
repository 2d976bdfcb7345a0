"""calcimetry: finds and measures calcinosis on CT. Research use only."""

__version__ = "0.1.0"
