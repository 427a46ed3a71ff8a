"""The published studies that fastgd reproduces, one module each."""
