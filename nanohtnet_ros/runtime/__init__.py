"""Networks as sessions, and where their files lie."""
