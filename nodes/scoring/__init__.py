"""Scorers of images, and the rules that choose a lambda by their scores."""
