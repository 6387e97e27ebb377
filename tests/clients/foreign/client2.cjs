// TypeScript `@modelcontextprotocol/client` 2.x, which speaks both eras.
"use strict";

const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
const { adapt, run } = require("./steps.cjs");

run("@modelcontextprotocol/client", async (url, headers, modern) => {
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
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  await client.connect(transport);
  const callTool = (params, options) => client.callTool(params, options);
  return adapt(client, client.getNegotiatedProtocolVersion(), callTool);
});
