"""Files in, arrays out: MNIST and other data sets, downloaded or read in whatever form; pictures that people
take turned into 28 x 28 pixels; and the test sets that a network is evaluated on."""
