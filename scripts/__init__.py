"""What a person runs beside dvc."""

from mnist_moved.command import end_in_one_line

end_in_one_line()
