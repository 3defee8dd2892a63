// Sends the mail in a file as it is: node send.js '{"host":...,"port":...,"mode":...}' FILE
'use strict';
const fs = require('fs');
const nodemailer = require('nodemailer');

const options = JSON.parse(process.argv[2]);
const transport = nodemailer.createTransport({
  host: options.host,
  port: options.port,
  secure: options.mode === 'implicit',
  requireTLS: options.mode === 'starttls',
  ignoreTLS: options.mode === 'plain',
  auth: {user: options.user, pass: options.password},
  tls: {ca: [fs.readFileSync(options.authority)]},
});

transport
    .sendMail({
      envelope: {from: options.from, to: options.to},
      raw: fs.readFileSync(process.argv[3]),
    })
    .then((result) => {
      if (result.accepted.length !== options.to.length) throw new Error('not all accepted');
      transport.close();
    })
    .catch((error) => {
      console.error(error);
      process.exit(1);
    });
