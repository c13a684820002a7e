"""Files to models, and sampling runs of them: one run, or one for each lambda."""
