"""What the claims rest on, measured."""

from mnist_moved.command import end_in_one_line

end_in_one_line()
