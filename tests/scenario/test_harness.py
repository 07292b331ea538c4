# SPDX-License-Identifier: Apache-2.0
"""The harness itself: it finds what fled, it notices sanitizers, it gives up in time."""

import os
import sys
import unittest

import harness

FLEE = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
"""


class HarnessTests(harness.Case):
    def test_finds_a_process_that_fled(self):
        done = self.run_program(sys.executable, "-c", FLEE)
        self.assertEqual(done.code, 0)
        left = self.leftovers()
        self.assertEqual(len(left), 1)
        self.doCleanups()
        self.assertFalse(harness.alive(left[0]))

    def test_a_report_of_a_sanitizer_fails_the_test(self):
        self.run_program("/bin/sh", "-c", "echo '==1==ERROR: AddressSanitizer: pretended' >&2")
        self.assertEqual(len(list(self._fault_reports())), 1)
        next(self.folder.glob("*.stderr")).unlink()

    def test_wait_gives_up_and_says_what_was_missing(self):
        with self.assertRaisesRegex(AssertionError, "pigs fly"):
            harness.wait("pigs fly", lambda: False, seconds=0.1)

    def test_a_dead_process_is_not_alive(self):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        harness.wait("the child is a zombie", lambda: not harness.alive(pid))
        os.waitpid(pid, 0)
        self.assertFalse(harness.alive(pid))


if __name__ == "__main__":
    unittest.main()
