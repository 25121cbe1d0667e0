// A client of dcmjs-dimse: node scu.js PORT CALLED_AE CALLING_AE [FILE...]. Without files it echoes. One line of JSON.
const { Client, requests } = require('dcmjs-dimse');

const [port, called, calling, ...files] = process.argv.slice(2);
const said = { statuses: [], trouble: [] };
const client = new Client();
const all = files.length ? files.map((file) => new requests.CStoreRequest(file)) : [new requests.CEchoRequest()];
for (const request of all) {
  request.on('response', (response) => said.statuses.push(response.getStatus()));
  client.addRequest(request);
}
client.on('networkError', (error) => said.trouble.push(String(error.message || error)));
client.on('associationRejected', (result) => said.trouble.push(`rejected ${result.result}/${result.source}/${result.reason}`));
client.on('closed', () => console.log(JSON.stringify(said)));
client.send('127.0.0.1', Number(port), calling, called);
