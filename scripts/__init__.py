"""What a person runs beside dvc."""

from robustness.command import expect_interrupts

expect_interrupts()
