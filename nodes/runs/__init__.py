"""Loading models from files and sampling from them: one run, or one for each lambda."""
