"""The nouns: credentials and records, one noun per file."""
