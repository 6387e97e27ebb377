// TypeScript `@modelcontextprotocol/sdk` 1.x, which speaks the legacy era.
"use strict";

const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const {
  StreamableHTTPClientTransport,
} = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { adapt, run } = require("./steps.cjs");

const made = () => new Client({ name: "foreign", version: "1" });
const transportTo = (url, options) => new StreamableHTTPClientTransport(new URL(url), options);

const open = (url, authProvider) => ({
  client: made(),
  transport: transportTo(url, { authProvider }),
});

async function connect(url, headers) {
  const client = made();
  const transport = transportTo(url, { requestInit: { headers } });
  await client.connect(transport);
  const callTool = (params, options) => client.callTool(params, undefined, options);
  return adapt(client, transport.protocolVersion, callTool);
}

run("@modelcontextprotocol/sdk", connect, open);
