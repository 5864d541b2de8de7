"""What all clusters of one account and region share: made once, found again by tags and names."""
