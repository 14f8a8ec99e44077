"""The pages a person sees in a browser: rendered only, nothing is decided here."""
