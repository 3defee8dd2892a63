// Writes every mail of INBOX into a folder: node read.js '{"host":...,"port":...,"mode":...}' FOLDER
'use strict';
const fs = require('fs');
const path = require('path');
const {ImapFlow} = require('imapflow');

const options = JSON.parse(process.argv[2]);
const folder = process.argv[3];

async function main() {
  const client = new ImapFlow({
    host: options.host,
    port: options.port,
    secure: options.mode === 'implicit',
    doSTARTTLS: options.mode === 'starttls',
    auth: {user: options.user, pass: options.password},
    tls: {ca: [fs.readFileSync(options.authority)]},
    logger: false,
  });
  await client.connect();
  const lock = await client.getMailboxLock('INBOX');
  try {
    for await (const mail of client.fetch('1:*', {uid: true, source: true})) {
      fs.writeFileSync(path.join(folder, String(mail.uid).padStart(8, '0')), mail.source);
    }
  } finally {
    lock.release();
  }
  await client.logout();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
