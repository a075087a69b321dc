"""The five stages of dvc.yaml, each a short main()."""

from robustness.command import expect_interrupts

expect_interrupts()
