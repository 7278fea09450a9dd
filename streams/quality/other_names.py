"""Say what else a word may be called: short forms, and places by their name at home."""

#: As `words_of` has them.
_SAME = (
    *("senior sr", "junior jr", "engineer eng", "manager mgr", "assistant asst", "associate assoc"),
    *("street st", "strasse str", "avenue ave", "road rd", "developer dev", "doctor dr"),
    *("administrator admin", "representative rep", "department dept", "apartment apt"),
    *("cologne koln", "munich munchen", "vienna wien", "nuremberg nurnberg", "hanover hannover"),
    *("geneva geneve genf", "zurich zurigo", "milan milano", "rome roma", "turin torino"),
    *("florence firenze", "venice venezia", "naples napoli", "lisbon lisboa", "prague praha"),
    *("warsaw warszawa", "cracow krakow", "copenhagen kobenhavn", "brussels bruxelles brussel"),
    *("athens athina", "seville sevilla", "bucharest bucuresti", "moscow moskva", "beijing peking"),
    *("germany deutschland allemagne", "austria osterreich", "switzerland schweiz suisse"),
    *("spain espana spanien", "italy italia italien", "france frankreich", "poland polska polen"),
    *("netherlands nederland niederlande", "sweden sverige", "denmark danmark", "norway norge"),
)
OTHER_NAMES: dict[str, frozenset[str]] = {
    word: frozenset(names.split()) - {word} for names in _SAME for word in names.split()
}
