# SPDX-License-Identifier: Apache-2.0
"""./run and ./test before anything is built: what they say when the machine is not as expected.
Only the machine's own commands (apt-get, dpkg-query, id, uname) are replaced, to look that way."""

import unittest

import harness


class RunTests(harness.Case):
    def machine(self, **commands):
        """A PATH in which some commands are others: a shell text, or None for not there."""
        folder = self.folder / "machine"
        folder.mkdir()
        for name in ("bash", "sh", "env", "cat", "sed", "grep", "basename", "dirname", "readlink",
                     "mktemp", "tail", "head", "rm", "tr", "apt-get", "dpkg-query", "id", "uname",
                     "sudo", "python3"):
            if name not in commands:
                for place in ("/usr/bin", "/bin"):
                    if (harness.pathlib.Path(place) / name).exists():
                        (folder / name).symlink_to(f"{place}/{name}")
                        break
        for name, text in commands.items():
            if text is not None:
                (folder / name).write_text(f"#!/bin/sh\n{text}\n")
                (folder / name).chmod(0o755)
        return {"PATH": str(folder)}

    def run_script(self, name, *arguments, env=None):
        return self.run_program(harness.ROOT / name, *arguments, env=env)

    def test_help(self):
        for name in ("run", "test"):
            done = self.run_script(name, "--help")
            self.assertEqual(done.code, 0)
            self.assertIn(f"./{name}", done.stdout)

    def test_unknown_words(self):
        self.assertEqual(self.run_script("run", "--frobnicate").code, 64)
        self.assertEqual(self.run_script("test", "frobnicate").code, 64)

    def test_not_linux(self):
        done = self.run_script("run", env=self.machine(uname="echo Darwin"))
        self.assertEqual(done.code, 69)
        self.assertIn("WSL2", done.stderr)

    def test_no_apt(self):
        done = self.run_script("run", env=self.machine(**{"apt-get": None}))
        self.assertEqual(done.code, 69)
        self.assertIn("Debian 12", done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1)

    def test_no_network(self):
        env = self.machine(**{"dpkg-query": "exit 1", "id": "echo 0",
                              "apt-get": "echo 'Temporary failure resolving'; exit 100"})
        done = self.run_script("run", env=env)
        self.assertEqual(done.code, 69)
        self.assertIn("libuv1-dev", done.stdout)
        self.assertIn("event loop", done.stdout)
        self.assertIn("is the network up", done.stderr)

    def test_neither_root_nor_sudo(self):
        env = self.machine(**{"dpkg-query": "exit 1", "id": "echo 1000", "sudo": None,
                              "apt-get": "exit 1"})
        done = self.run_script("run", env=env)
        self.assertEqual(done.code, 77)
        self.assertRegex(done.stderr, r"run as root: apt-get install .*libuv1-dev")

    def test_sudo_is_said_and_used(self):
        env = self.machine(**{"dpkg-query": "exit 1", "id": "echo 1000",
                              "sudo": f"echo \"$@\" >> {self.folder}/asked; exit 1"})
        done = self.run_script("run", env=env)
        self.assertEqual(done.code, 69)
        self.assertIn("with sudo apt-get", done.stdout)
        self.assertIn("apt-get -q update", (self.folder / "asked").read_text())


if __name__ == "__main__":
    unittest.main()
