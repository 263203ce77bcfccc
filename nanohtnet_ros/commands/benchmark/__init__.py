"""What `nanohtnet bench` measures: one module for each kind."""
