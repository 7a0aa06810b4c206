"""Frozen data that every room shares; no behaviour beyond itself."""
