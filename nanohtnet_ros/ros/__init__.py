"""Nodes, messages and parameters."""
