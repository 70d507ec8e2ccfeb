"""Embedders: each turns texts into unit vectors and names the kind of vector it makes."""
