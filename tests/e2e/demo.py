#!/usr/bin/env python3
"""Plays a morning at the example web shop on a wissel-dev of its own. See --help."""

import argparse
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from journey import Ctl, Dev, JourneyError, MailServers, Morning, Stage  # noqa: E402  pylint: disable=wrong-import-position

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Sets up, builds, starts wissel-dev with the example web shop, and plays a morning through real "
                    "interfaces, checking each step against the log. Exit code 0 only if every step was seen.")
    parser.add_argument("--once", action="store_true", help="end after the last step")
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are built")
    parser.add_argument("--preset", default="dev", help="how to build (default: %(default)s)")
    return parser.parse_args()


def build(stage, preset):
    stage.step("Setting up and building (the first time takes a while)")
    for command in (["scripts/setup"], ["cmake", "--preset", preset],
                    ["cmake", "--build", "--preset", preset, "--target", "wissel-dev", "wisselctl"]):
        stage.say("  $ " + " ".join(command))
        subprocess.run(command, cwd=ROOT, check=True)


def start_mail(stage, folder):
    """Dovecot and Postfix of our own, or None where there cannot be one."""
    if os.geteuid() != 0:
        stage.say("\nPostfix can only be started by root: mail takes the development's door instead of SMTP and IMAP.")
        return None
    stage.step("Starting the mail servers of the shop's provider and of its customers")
    command = ["scripts/stack", "up", "--mail", "--env", "--dir", folder]
    exports = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    environment = dict(word.split("=", 1) for word in shlex.split(exports) if "=" in word)
    stage.say(f"  Dovecot answers at {environment['WISSEL_TEST_IMAPS']} (IMAP over TLS), "
              f"Postfix at {environment['WISSEL_TEST_SMTP']} (SMTP)")
    return MailServers(environment)


def stop_mail(folder):
    subprocess.run(["scripts/stack", "down", "--purge", "--dir", folder], cwd=ROOT, check=False, capture_output=True)


def main():
    args = arguments()
    # So that what was started is stopped then, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    stage = Stage()
    if not args.no_build:
        try:
            build(stage, args.preset)
        except subprocess.CalledProcessError as error:
            stage.say(f"demo: {error}")
            return 1
    binaries = ROOT / "build" / args.preset / "bin"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wissel-demo-"))
    dev = Dev(binaries, folder / "state")
    morning = None
    ok = False
    try:
        mail_servers = start_mail(stage, folder / "mail")
        if mail_servers:
            dev.config = mail_servers.configuration(folder)
        stage.step("Starting wissel-dev")
        stage.say(f"  ready after {dev.start():.2f} s, state in {dev.state}")
        ctl = Ctl(binaries, dev)
        morning = Morning(ctl, folder, stage, mail_servers)
        morning.run()
        ok = True
        stage.say(f"\n{stage.checks} checks, all seen.")
        if not args.once:
            stage.say(f"""
wissel-dev stays up. Try, in another terminal:
  export WISSEL_CONTEXT={dev.context}
  {ctl.binary} agent --as bram
  {ctl.binary} explain {morning.olivia}
  {ctl.binary} log tail --follow --from end
  {ctl.binary} inject whatsapp deploy/examples/messages/thank-you.json
Ctrl-C ends it.""")
            if mail_servers:
                stage.say(f"Mail for {mail_servers.SHOP} goes in at 127.0.0.1:{mail_servers.smtp} (SMTP with STARTTLS, "
                          f"authority {mail_servers.authority}); log in as\n{morning.PIETER} with the password "
                          f"{mail_servers.password}, also for his mailbox at 127.0.0.1:{mail_servers.imaps} (IMAP over TLS).")
            dev.process.wait()
    except KeyboardInterrupt:
        stage.say("")
    except subprocess.CalledProcessError as error:
        stage.say(f"demo: {error}\n{error.stderr}")
    except JourneyError as error:
        stage.say(f"\ndemo: {error}\nThe log of wissel-dev: {dev.state}/wissel-dev.log")
    finally:
        if morning is not None:
            morning.leave()
        try:
            dev.stop()
        except JourneyError as error:
            stage.say(f"demo: {error}")
            ok = False
        stop_mail(folder / "mail")
    if ok:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
