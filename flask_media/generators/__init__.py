"""What draws pictures: one module a generator, all alike to the service."""
