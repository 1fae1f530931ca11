"""A whole city on a virtual clock: the real deciders, reactors, folds and feeds, replayed exactly from one seed."""
