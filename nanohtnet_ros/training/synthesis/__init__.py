"""Training and evaluation data: motion seen by virtual cameras and imitated detectors."""
