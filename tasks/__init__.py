"""The verbs: the only room that talks to the world."""
