"""The sentences: what people run, in prose."""
