"""Readers of file formats that decoders and extractors share; they know neither members nor segments."""
