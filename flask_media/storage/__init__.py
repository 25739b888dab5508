"""Where pictures are kept: one module a storage, all alike to the service."""
