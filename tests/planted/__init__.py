"""Unique strings planted in every state, encoding and file system: each must be found once, where it lies."""
