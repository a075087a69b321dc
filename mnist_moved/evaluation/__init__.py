"""Networks and test sets in, measurements out: accuracy and more on each test set, accuracy by strength,
where a network breaks, how sure a difference is; and the measurements of earlier runs, read from where they
are."""
