"""What a person looks at: grids, plots and tables of a sweep."""
