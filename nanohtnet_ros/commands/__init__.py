"""Commands of `nanohtnet` that check and manage models."""
