"""What is decided, and nothing else: no clock, network, environment, randomness or logging."""
