// Writes every mail of a maildrop into a folder: node read_pop3.js '{"host":...,"port":...,"mode":...}' FOLDER
'use strict';
const fs = require('fs');
const path = require('path');
const Pop3Command = require('node-pop3');

const options = JSON.parse(process.argv[2]);
const folder = process.argv[3];

async function main() {
  const client = new Pop3Command({
    host: options.host,
    port: options.port,
    user: options.user,
    password: options.password,
    tls: options.mode === 'implicit',
    tlsOptions: {ca: [fs.readFileSync(options.authority)]},
    servername: options.host,
  });
  for (const [number] of await client.UIDL()) {
    const mail = await client.RETR(number);
    fs.writeFileSync(path.join(folder, number.padStart(8, '0')), mail + '\r\n');
  }
  await client.QUIT();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
