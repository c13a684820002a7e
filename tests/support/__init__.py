"""What tests of several rooms share: small real models, files, graphs, and a browser."""
