# SPDX-License-Identifier: Apache-2.0
"""A simulation that cannot fail is none: each bug here is planted into one file, and the world must
find it and name the promise that it breaks. HOLDFAST_BUILD=build-test python3 -m unittest plants

The old text must occur once in the file; when the code has moved on, the plant is to be renewed.
The sound program must pass the very seed in which the planted one failed."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD", ROOT / "build-test")).resolve()
PROGRAM = "tests/world/world_sim"
SEEDS_MAX = 300
SECONDS_MAX = 240


def run(argv, seconds=SECONDS_MAX):
    return subprocess.run(list(map(str, argv)), cwd=BUILD, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)


def compile_command(path):
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        if (BUILD / entry["file"]).resolve() == ROOT / path:
            return entry
    raise AssertionError(f"{path} is not compiled in {BUILD}")


def link_command():
    lines = run(["ninja", "-t", "commands", PROGRAM]).stdout.splitlines()
    return shlex.split(next(line for line in reversed(lines) if f"-o {PROGRAM} " in line))


def planted_program(folder, path, old, new):
    """Only the planted file is compiled; its object comes before the archives, so that theirs of
    the same name is not taken."""
    text = (ROOT / path).read_text()
    if text.count(old) != 1:
        raise AssertionError(f"{path} has the text to replace {text.count(old)} times: "
                             f"renew this plant\n{old}")
    source, made = folder / pathlib.Path(path).name, folder / "planted.o"
    source.write_text(text.replace(old, new))
    entry = compile_command(path)
    argv = shlex.split(entry["command"])
    argv[argv.index(entry["file"])] = str(source)
    argv[argv.index("-o") + 1] = str(made)
    argv = [word for word in argv if not word.startswith("-Werror")]
    done = run(argv)
    if done.returncode != 0:
        raise AssertionError(f"the plant does not compile:\n{done.stdout}")
    argv = link_command()
    program = folder / "world_sim"
    argv[argv.index("-o") + 1] = str(program)
    theirs = [i for i, word in enumerate(argv) if word.endswith("/" + source.name + ".o")]
    if theirs:
        argv[theirs[0]] = str(made)
    else:
        argv.insert(argv.index("-o") + 2, str(made))
    done = run(argv)
    if done.returncode != 0:
        raise AssertionError(f"the planted program does not link:\n{done.stdout}")
    return program


class ReplayTests(unittest.TestCase):
    def test_a_seed_plays_the_same_run_again(self):
        runs = [run([BUILD / PROGRAM, "--seed", 3, "--steps", 2000, "--trace"]) for _ in range(2)]
        self.assertEqual(runs[0].returncode, 0, runs[0].stdout[-2000:])
        self.assertGreater(len(runs[0].stdout.splitlines()), 500)
        self.assertEqual(runs[0].stdout, runs[1].stdout)


class PlantTests(unittest.TestCase):
    def find(self, invariant, path, old, new, first=1):
        """`first`: the seed to begin with, for what one run in hundreds meets."""
        with tempfile.TemporaryDirectory() as folder:
            program = planted_program(pathlib.Path(folder), path, old, new)
            done = run([program, "--seeds", f"{first}..{first + SEEDS_MAX - 1}"])
        self.assertEqual(done.returncode, 1, f"not found in {SEEDS_MAX} seeds:\n{done.stdout}")
        found = re.search(r"^seed (\d+), step \d+: BROKEN: (.*)$", done.stdout, re.M)
        self.assertTrue(found, done.stdout)
        self.assertTrue(found[2].startswith(invariant), done.stdout)
        sound = run([BUILD / PROGRAM, "--seed", found[1]])
        self.assertEqual(sound.returncode, 0, sound.stdout)

    def test_sent_before_it_is_on_disk(self):
        self.find("intent on disk before the wire", "src/engine/orders.c",
                  "if (item->busy != BUSY_NOT || item->saving || item->changed || "
                  "now < item->next_ms)",
                  "if (item->busy != BUSY_NOT || now < item->next_ms)")

    def test_silence_taken_for_a_refusal(self):
        self.find("no UNKNOWN closed without evidence", "src/engine/orders.c",
                  "    case EXCHANGE_UNKNOWN:\n    case EXCHANGE_CLASSES:\n        break;\n",
                  "    case EXCHANGE_UNKNOWN:\n"
                  "        orders_set_state(o, item, ORDER_REJECTED, \"timeout\", now, commands);\n"
                  "        return;\n    case EXCHANGE_CLASSES:\n        break;\n")

    def test_a_second_link_id_on_retry(self):
        self.find("no order twice", "src/engine/orders.c",
                  "    case EXCHANGE_UNKNOWN:\n    case EXCHANGE_CLASSES:\n        break;\n",
                  "    case EXCHANGE_UNKNOWN:\n"
                  "        (void)snprintf(item->order.link_id, sizeof item->order.link_id,\n"
                  "                       \"%.12s-%lld-e%u\", o->options.tag,\n"
                  "                       (long long)item->order.id, item->order.attempts + 1);\n"
                  "        item->changed = true;\n        retry_later(o, item, now);\n"
                  "        return;\n    case EXCHANGE_CLASSES:\n        break;\n")

    def test_absent_is_proof_while_the_window_is_open(self):
        self.find("no UNKNOWN closed without evidence", "src/engine/orders.c",
                  "absent && item->order.state == ORDER_UNKNOWN && over && !item->arrived",
                  "absent && item->order.state == ORDER_UNKNOWN && !item->arrived", first=681)

    def test_a_failed_question_is_taken_for_absent(self):
        self.find("no UNKNOWN closed without evidence", "src/engine/orders.c",
                  "bool absent = event->find == ORDERS_ABSENT;", "bool absent = true;")

    def test_a_position_without_the_fills_it_counts(self):
        self.find("every fill once", "src/engine/positions.c",
                  "        add_fills(p, held->position.symbol, command);\n", "")

    def test_an_order_without_its_stop(self):
        self.find("no position without a stop", "src/wire/bybit_requests.c",
                  "        add_stops(body, order->stop, order->take);\n", "")

    def test_updates_confirmed_before_they_are_on_disk(self):
        self.find("no update lost", "src/engine/gateway_poll.c",
                  "        save(g, commands);\n        gateway_wake_consumers(g, now, commands);\n"
                  "        return;\n",
                  "        save(g, commands);\n        gateway_wake_consumers(g, now, commands);\n"
                  "        wait_until(g, now);\n        return;\n")

    def test_a_confirmation_is_answered_before_it_is_on_disk(self):
        self.find("no update twice after its confirmation", "src/engine/gateway_consume.c",
                  "    if (wait)\n        c->confirming = command->ticket;\n", "")

    def test_an_alert_is_answered_before_it_is_on_disk(self):
        self.find("accepted means on disk", "src/engine/alerts_intake.c",
                  "    intake->last = a->id_last;\n}\n\nvoid alerts_on_replay",
                  "    intake->last = a->id_last;\n"
                  "    struct alerts_command *early = alerts_add(commands, ALERTS_DO_ACCEPT);\n"
                  "    early->request = intake->request;\n"
                  "    early->ids = memory_array(intake->count, sizeof *early->ids);\n"
                  "    memcpy(early->ids, intake->ids, intake->count * sizeof *early->ids);\n"
                  "    early->id_count = intake->count;\n    intake->request = 0;\n"
                  "}\n\nvoid alerts_on_replay")

    def test_an_alert_that_waits_on_disk_is_forgotten(self):
        self.find("everything converges", "src/engine/alerts_window.c",
                  "        window->beyond++;\n", "")

    def test_a_load_is_taken_for_all_that_waits(self):
        self.find("everything converges", "src/engine/alerts_window.c",
                  "    if (event->count < window->asked)\n        window->beyond = 0;\n",
                  "    window->beyond = 0;\n")

    def test_those_told_in_the_message_of_another_are_forgotten(self):
        self.find("everything converges", "src/engine/alerts_deliver.c",
                  "        each(a, item->riders[i], &of_each, now, commands);\n", "        ;\n")

    def test_two_events_with_one_key(self):
        self.find("no accepted alert lost", "src/engine/alerts_intake.c",
                  "alert->service ? alert->service : \"\", alert->title ? alert->title : \"\",\n"
                  "                 alert->text);",
                  "alert->service ? alert->service : \"\", alert->title ? alert->title : \"\",\n"
                  "                 \"\");")

    def test_an_outbox_key_without_its_number(self):
        self.find("no accepted alert lost", "tests/world/world_trader.c",
                  ".key = text_format(\"%s-%lld\", trader->tag, (long long)outbox->id),",
                  ".key = text_format(\"%s-%s\", trader->tag, outbox->type),")

    def test_a_hung_service_is_started_before_it_has_ended(self):
        self.find("no service runs twice", "src/engine/services.c",
                  "         service_is_job(service->config) ? \"stopping\" : \"restarting\");\n"
                  "    begin_stop(step, true);\n",
                  "         service_is_job(service->config) ? \"stopping\" : \"restarting\");\n"
                  "    set_state(step, SERVICE_BACKOFF, 500);\n")


if __name__ == "__main__":
    unittest.main()
