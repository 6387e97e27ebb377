// TypeScript `@modelcontextprotocol/client` 2.x, which speaks both eras.
"use strict";

const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
const { adapt, run } = require("./steps.cjs");

function made(modern) {
  const client = new Client(
    { name: "foreign", version: "1" },
    {
      capabilities: { elicitation: { form: {} } },
      versionNegotiation: { mode: modern ? "auto" : "legacy" },
    },
  );
  client.setRequestHandler("elicitation/create", async () => ({
    action: "accept",
    content: { confirm: true },
  }));
  return client;
}

const transportTo = (url, options) => new StreamableHTTPClientTransport(new URL(url), options);

const open = (url, authProvider, modern) => ({
  client: made(modern),
  transport: transportTo(url, { authProvider }),
});

async function connect(url, headers, modern) {
  const client = made(modern);
  await client.connect(transportTo(url, { requestInit: { headers } }));
  const callTool = (params, options) => client.callTool(params, options);
  return adapt(client, client.getNegotiatedProtocolVersion(), callTool);
}

run("@modelcontextprotocol/client", connect, open);
