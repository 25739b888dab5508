"""Tests of models with pictures, on each integration of SQLAlchemy and each database."""
