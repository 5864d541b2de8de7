"""Removing what all clusters of a region share, and what clusters that nobody knows left there: to zero, and proved."""
