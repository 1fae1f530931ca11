"""One evening in the city, played through the public interfaces only, and checked by what people saw."""
