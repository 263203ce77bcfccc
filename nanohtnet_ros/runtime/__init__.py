"""Networks as sessions, and their files."""
