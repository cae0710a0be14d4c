"""Tables over seeds, one module a table: ``make(seeds)`` gives figures, ``lines(figures)`` text."""
