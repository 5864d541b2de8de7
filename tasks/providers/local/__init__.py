"""The local provider: a cluster of real SSH hosts on this machine."""
