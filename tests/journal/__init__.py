"""The journal: what it promises, with real processes that are really killed."""
