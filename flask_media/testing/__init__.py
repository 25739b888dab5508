"""What the tests of an app, or of a storage of your own, can use."""
