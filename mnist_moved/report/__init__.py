"""Measurements in, pictures and words out: figures, the report in HTML, and the card of the network."""
