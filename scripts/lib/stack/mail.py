"""Dovecot and Postfix: a small mail provider that sends nothing off this machine.

Dovecot needs no root; started by root it runs as the account `dovecot`, which owns the mail. Postfix
insists on root for its master process.

    shop.example      support, sales      the shop's mailboxes, which services/email reads
    example.org       customer, customer2 its customers
                      bounce              refused at RCPT with 550
                      busy                put off at RCPT with 450, each time
                      gone                accepted, then returned to the sender with a delivery report
    fietsbel.example  support             the shop of deploy/examples
    customer.example  pieter              a customer of it

Every address takes a plus-extension. Users log in with their address; the password is PASSWORD.
"""

import grp
import os
import pathlib
import pwd
import shlex
import shutil
import socket
import ssl

from . import stack as core
from . import tls

# Of no other use, so that a log can be searched for it.
PASSWORD = "letters-for-fietsbel"
USERS = (
    "support@shop.example", "sales@shop.example",
    "customer@example.org", "customer2@example.org",
    "support@fietsbel.example", "pieter@customer.example",
)
DOMAINS = sorted({user.partition("@")[2] for user in USERS})
MESSAGE_SIZE_LIMIT = 64 * 1024 * 1024

POSTFIX_DAEMONS = "/usr/lib/postfix/sbin"

DOVECOT = """\
base_dir = {run}/dovecot
state_dir = {run}/dovecot
log_path = {log}
protocols = imap
listen = 127.0.0.1

# Everything runs as one ordinary account.
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service auth {{
  unix_listener {run}/sasl {{
    mode = 0666
  }}
}}

ssl = yes
ssl_cert = <{home}/tls/server.pem
ssl_key = <{home}/tls/server.key
auth_mechanisms = plain login
disable_plaintext_auth = no
# A wrong password is answered at once, however often.
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {home}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={home}/mail/%u
}}
first_valid_uid = 1
mail_location = maildir:~
namespace inbox {{
  inbox = yes
}}
# Many test clients share one account.
mail_max_userip_connections = 100
"""

POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/postfix/queue
data_directory = {home}/postfix/data
maillog_file = {log}
maillog_file_prefixes = {stack}, {home}
myhostname = mail.shop.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
recipient_delimiter = +
message_size_limit = {limit}
mailbox_size_limit = 0
virtual_mailbox_limit = 0

# Nothing leaves this machine, and nothing asks a name server.
default_transport = error:5.7.1 this test server delivers to its own users only
smtp_host_lookup = native
smtpd_peername_lookup = no
disable_dns_lookups = yes

virtual_mailbox_domains = {domains}
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = texthash:{home}/postfix/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
transport_maps = texthash:{home}/postfix/transports

smtpd_tls_cert_file = {home}/tls/server.pem
smtpd_tls_key_file = {home}/tls/server.key
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = {run}/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access texthash:{home}/postfix/refusals
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
"""

# The three doors: mail from elsewhere (MX), and submission with STARTTLS or with TLS from the start.
POSTFIX_MASTER = """\
127.0.0.1:{mx} inet n - n - - smtpd
127.0.0.1:{smtp} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
# Knows no mailbox: returns what smtpd, which knows them all, has already taken.
closed unix - n n - - virtual
  -o virtual_mailbox_maps=
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

QUEUE_FOLDERS = ("incoming", "active", "deferred", "bounce", "defer", "flush", "hold", "corrupt",
                 "saved", "trace", "private")


def account():
    """Who owns the mail: ourselves, or `dovecot` when we are root, whom Dovecot refuses."""
    uid = os.geteuid() or pwd.getpwnam("dovecot").pw_uid
    entry = pwd.getpwuid(uid)
    return entry, grp.getgrgid(entry.pw_gid).gr_name


def servers(stack):
    owner, group = account()
    imap, imaps = stack.ports("dovecot", 2)
    mx, smtp, smtps = stack.ports("postfix", 3)
    run = stack.run_folder()
    home = run / "mail-home"
    make_home(home, owner)
    tls.make_certificates(home / "tls")
    os.chown(home / "tls" / "server.key", owner.pw_uid, owner.pw_gid)
    dovecot = dovecot_server(stack, home, run, owner, group, imap, imaps)
    if os.geteuid() != 0:
        core.note("Postfix not started: its master process must be root (run this as root for the"
                  " tests that send mail)")
        return [dovecot]
    return [dovecot, postfix_server(stack, home, run, owner, mx, smtp, smtps)]


def make_home(home, owner):
    for folder in (home, home / "mail"):
        folder.mkdir(exist_ok=True)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    for user in USERS:
        for folder in ("", "new", "cur", "tmp"):
            path = home / "mail" / user / folder
            path.mkdir(exist_ok=True)
            os.chown(path, owner.pw_uid, owner.pw_gid)
    users = home / "users"
    users.write_text("".join(f"{u}:{{PLAIN}}{PASSWORD}\n" for u in USERS), encoding="ascii")


def dovecot_server(stack, home, run, owner, group, imap, imaps):
    if not stack.is_running("dovecot"):  # A socket left behind costs the next start five seconds.
        shutil.rmtree(run / "dovecot", ignore_errors=True)
    (run / "dovecot").mkdir(exist_ok=True)
    log = home / "dovecot.log"
    log.touch()
    for path in (run / "dovecot", run, log):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    config = home / "dovecot.conf"
    config.write_text(
        DOVECOT.format(run=run, home=home, log=log, user=owner.pw_name, group=group, imap=imap,
                       imaps=imaps),
        encoding="utf-8")
    program = pathlib.Path(__file__).resolve().parents[2] / "stack"

    def command(what):
        return shlex.join([str(program), what, "dovecot", "--dir", str(stack.folder)])

    return core.Server(
        name="dovecot", argv=["dovecot", "-F", "-c", str(config)], log=log, user="dovecot",
        ready=lambda: greets(imap, b"* OK") and greets(imaps, b"* OK", home / "tls" / "ca.pem"),
        exports={
            "WISSEL_TEST_IMAP": f"127.0.0.1:{imap}",
            "WISSEL_TEST_IMAPS": f"127.0.0.1:{imaps}",
            "WISSEL_TEST_DOVECOT_KILL": command("kill"),
            "WISSEL_TEST_DOVECOT_RESTART": command("restart"),
            "WISSEL_TEST_CA": str(home / "tls" / "ca.pem"),
            "WISSEL_TEST_MAIL_USER": USERS[0],
            "WISSEL_TEST_MAIL_CUSTOMER": USERS[2],
            "WISSEL_TEST_MAIL_PASSWORD": PASSWORD,
        })


def postfix_server(stack, home, run, owner, mx, smtp, smtps):
    base = home / "postfix"
    postfix = pwd.getpwnam("postfix")
    postdrop = grp.getgrnam("postdrop").gr_gid
    queue = base / "queue"
    for path, uid, gid, mode in (
            (base, 0, 0, 0o755), (queue, 0, 0, 0o755), (queue / "pid", 0, 0, 0o755),
            (base / "data", postfix.pw_uid, 0, 0o700),
            (queue / "public", postfix.pw_uid, postdrop, 0o710),
            (queue / "maildrop", postfix.pw_uid, postdrop, 0o730),
            *((queue / name, postfix.pw_uid, 0, 0o700) for name in QUEUE_FOLDERS)):
        path.mkdir(exist_ok=True)
        os.chown(path, uid, gid)
        path.chmod(mode)
    log = base / "log"
    (base / "main.cf").write_text(
        POSTFIX_MAIN.format(stack=stack.folder, home=home, run=run, log=log,
                            limit=MESSAGE_SIZE_LIMIT, domains=", ".join(DOMAINS),
                            uid=owner.pw_uid, gid=owner.pw_gid),
        encoding="utf-8")
    (base / "master.cf").write_text(
        POSTFIX_MASTER.format(mx=mx, smtp=smtp, smtps=smtps), encoding="utf-8")
    (base / "mailboxes").write_text(
        "".join(f"{u} {u}/\n" for u in USERS)
        + "gone@example.org gone/\nbounce@example.org bounce/\nbusy@example.org busy/\n",
        encoding="ascii")
    (base / "transports").write_text(
        "gone@example.org closed:\n", encoding="ascii")
    (base / "refusals").write_text(
        "bounce@example.org 550 5.1.1 no such mailbox\n"
        "busy@example.org 450 4.2.1 mailbox is busy, try again later\n", encoding="ascii")
    return core.Server(
        name="postfix", argv=[f"{POSTFIX_DAEMONS}/master", "-c", str(base), "-d"], log=log,
        ready=lambda: greets(mx, b"220 ") and greets(smtp, b"220 "),
        exports={
            "WISSEL_TEST_MX": f"127.0.0.1:{mx}",
            "WISSEL_TEST_SMTP": f"127.0.0.1:{smtp}",
            "WISSEL_TEST_SMTPS": f"127.0.0.1:{smtps}",
        })


def greets(port, prefix, authority=None):
    """Whether the server's first line starts as it should; over TLS when an authority is given."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        if authority:
            context = ssl.create_default_context(cafile=str(authority))
            connection = context.wrap_socket(connection, server_hostname="localhost")
        return connection.recv(256).startswith(prefix)
