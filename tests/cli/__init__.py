"""Tests of ``flask media``."""
