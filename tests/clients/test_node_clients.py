"""nodemailer sends, imapflow reads: the clients that Node.js programs use. tests/run installs them (npm ci)."""

import json
import os

import pytest

from harness import messages, wire
from harness.mail_clients import IMAP_KINDS, MODES, SMTP_KINDS, run
from harness.server import command_path
from harness.trace import assert_stored_as_sent

NODE_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")


def node(script, arguments, mail_path):
    assert os.path.isdir(os.path.join(NODE_FOLDER, "node_modules")), (
        f"run `npm ci` in {NODE_FOLDER} (tests/run does)")
    return run([command_path("node"), os.path.join(NODE_FOLDER, script), json.dumps(arguments),
                mail_path], folder=NODE_FOLDER)


def arguments_for(postern, account, mode, kinds):
    return {"host": "localhost", "port": getattr(postern.ports, kinds[mode]), "mode": mode,
            "user": account.name, "password": account.password, "authority": postern.authority.ca}


@pytest.mark.parametrize("mode", MODES)
def test_nodemailer_sends_as_given(mode, postern, new_account, tmp_path):
    author, recipient = new_account(), new_account()
    mails = [messages.awkward(1, author.name, [recipient.name]),
             messages.multipart(2, author.name, [recipient.name], (messages.KIB, messages.MIB))]
    for number, mail in enumerate(mails):
        path = tmp_path / f"{number}.eml"
        path.write_bytes(mail)
        node("send.js", {**arguments_for(postern, author, mode, SMTP_KINDS),
                         "from": author.name, "to": [recipient.name]}, str(path))
    stored = list(wire.read_all_imap(postern, recipient.name, recipient.password).values())
    assert len(stored) == len(mails)
    for octets, mail in zip(stored, mails):
        assert_stored_as_sent(octets, mail, reverse_path=author.name)


@pytest.mark.parametrize("mode", MODES)
def test_imapflow_reads_as_stored(mode, postern, account, tmp_path):
    mails = [messages.awkward(3, "author@elsewhere.example", [account.name], eight_bit=True),
             messages.multipart(4, "author@elsewhere.example", [account.name], (messages.MIB,))]
    for mail in mails:
        wire.deliver(postern, [account.name], mail)
    output = tmp_path / "mails"
    output.mkdir()
    node("read.js", arguments_for(postern, account, mode, IMAP_KINDS), str(output))
    stored = [path.read_bytes() for path in sorted(output.iterdir())]
    assert len(stored) == len(mails)
    for octets, mail in zip(stored, mails):
        assert_stored_as_sent(octets, mail)
