"""A sweep as grids, plots and tables."""
