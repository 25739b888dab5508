"""Tests of the queue of Celery workers."""
