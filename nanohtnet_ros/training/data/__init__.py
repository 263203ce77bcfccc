"""Motion capture and recordings from files."""
