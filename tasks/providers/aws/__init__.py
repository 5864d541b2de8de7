"""AWS: accounts, and what is ours in them."""
