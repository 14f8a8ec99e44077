"""How each medium is reached: one small file a channel, none knowing another."""
