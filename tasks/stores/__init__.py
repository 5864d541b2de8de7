"""Places for what is kept of jobs, outside Prefect and outside their clusters."""
