"""A temporary headquarters: a center above others for as long as a disaster lasts, and never a day longer by itself."""
