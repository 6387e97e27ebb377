// TypeScript `@modelcontextprotocol/sdk` 1.x, which speaks the legacy era.
"use strict";

const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const {
  StreamableHTTPClientTransport,
} = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { adapt, run } = require("./steps.cjs");

run("@modelcontextprotocol/sdk", async (url, headers) => {
  const client = new Client({ name: "foreign", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  await client.connect(transport);
  const callTool = (params, options) => client.callTool(params, undefined, options);
  return adapt(client, transport.protocolVersion, callTool);
});
