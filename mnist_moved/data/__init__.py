"""Files in, arrays out: MNIST, and other data sets of its form, downloaded and read; pictures that people
take turned into 28 x 28 pixels; and the test sets that a network is evaluated on."""
