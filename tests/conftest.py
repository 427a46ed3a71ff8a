"""What every test may rely on."""

import signal

# A shell starts background jobs with SIGINT ignored, and then nothing interrupts Python: the tests of Ctrl-C bring
# the usual handler along.
signal.signal(signal.SIGINT, signal.default_int_handler)
