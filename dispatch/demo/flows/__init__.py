"""The flows of the city, F1 to F28: one function each, by their numbers; `listed.FLOWS` names all of them."""
