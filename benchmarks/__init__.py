"""What the claims rest on, measured."""

from robustness.command import expect_interrupts

expect_interrupts()
