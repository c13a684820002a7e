"""Judges of images, and the rules that choose a lambda by what they say."""
