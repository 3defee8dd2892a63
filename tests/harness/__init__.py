"""What the end-to-end suites share: real processes, real sockets, real mail, and nothing of Postern's code.

ports.py         ports of 127.0.0.1 that no other test process uses
certificates.py  a throw-away authority and a server certificate
server.py        the three processes and the command line: configuration, start, readiness, logs, kill
messages.py      mails as octets, deterministic by seed
wire.py          SMTP, POP3 and IMAP spoken octet by octet
load.py          senders with a ledger, and a well-behaved user as a probe
rude.py          bounds that hold while rude clients are there
mail_clients.py  swaks, curl, msmtp, fetchmail, mbsync ... as functions
sending_mtas.py  Postfix and Exim as clients (unpack-exim: where Exim comes from)
tap.py           what a client and a server say to each other
hostile.py       a program that breaks every rule at full speed
crowd.py         tens of thousands of idle connections
trace.py         takes the trace header off a stored mail
waiting.py       deadlines
"""
