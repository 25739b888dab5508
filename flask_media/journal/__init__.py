"""The record of every job: what was asked, what was paid, and the bytes until they are stored."""
