"""Tests of what a template shows of a picture."""
