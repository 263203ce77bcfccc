"""Predictions of networks, their errors, and reports."""
