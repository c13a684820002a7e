"""Finding lambda: sampling, decoding and judging what a search asks for."""
