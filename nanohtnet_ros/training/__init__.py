"""Data, training, evaluation and export of the lifting network."""
