"""The places a cluster can stand in: one house per provider, with the same rooms."""
